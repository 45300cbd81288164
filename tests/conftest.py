"""Fixtures for all tests: a real Redis server of the test run's own."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, settings

from athena.runtime.garbage import keep_what_is_loaded
from athena.store.address import socket_path
from athena.supervisor.embedded_redis import prepare_folders, server_command
from athena.supervisor.redis_server import find_server
from tests.hangups import let_children_hear_hangups
from tests.side_by_side import begin_with_the_longest, sendable, worker_count

START_TIMEOUT_S = 60.0


def wait_until(holds: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Waits for a condition; fails when it does not come true in time."""
    deadline_s = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline_s, f"not in time: {what}"
        time.sleep(0.005)


def _answers(path: Path) -> bool:
    try:
        with redis.Redis(unix_socket_path=str(path), socket_timeout=1) as client:
            return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """Starts the server that `athena serve` would bring along; where there is none the tests fail."""
    # Not pytest's own folder: a unix socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="athena-test-"))
    prepare_folders(folder)
    path = socket_path(folder)
    process = subprocess.Popen(server_command(find_server(), folder))
    try:
        wait_until(lambda: _answers(path), "Redis answers", START_TIMEOUT_S)
        assert process.poll() is None
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def redis_client(redis_server: str) -> Iterator[redis.Redis]:
    """A client of an empty server."""
    with redis.Redis.from_url(redis_server, protocol=2) as client:
        client.flushall()
        yield client


def pytest_configure(config: pytest.Config) -> None:
    """Called once, before anything is started."""
    let_children_hear_hangups()
    # What tests load is no business of who runs them. Processes of pytest-xdist inherit the variable.
    if "ATHENA_CACHE_DIR" not in os.environ:
        os.environ["ATHENA_CACHE_DIR"] = folder = tempfile.mkdtemp(prefix="athena-test-cache-")
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    # On a machine that is busy everything is slow, and nothing is wrong with a test.
    settings.register_profile(
        "busy", parent=settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("busy")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Called for `-n auto` and `-n logical`; None: by the variable of pytest-xdist."""
    if os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return None
    return worker_count(len(os.sched_getaffinity(0)), waiting=config.option.numprocesses == "auto")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Called when all tests are known, in each process that runs some."""
    if hasattr(config, "workerinput"):
        begin_with_the_longest(items, Path(__file__).parent)


def pytest_collection_finish() -> None:
    """Called when all tests are known: Python need not look through them for garbage, test after test."""
    keep_what_is_loaded()


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Called for each report on its way to the process that prints it."""
    return sendable((yield))
