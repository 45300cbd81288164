"""What a service manager hears of an `athena serve` that takes its time, and of a gateway alone."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from athena.runtime.service_manager import MORE_S, VARIABLE
from athena.settings import from_env
from tests.ports import free_port

from .conftest import ATHENA, ROOT, Stack, wait_until

pytestmark = pytest.mark.redis

CACHED = ROOT / "tests" / "abilities" / "cached"
PATIENT = ROOT / "tests" / "abilities" / "patient"

MORE = f"EXTEND_TIMEOUT_USEC={MORE_S * 1e6:.0f}"

#: The first one that loads hangs so long, then the next one loads.
LOAD_TIMEOUT_S = 10


class Manager:
    """Listens as systemd does."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        """Returns all that came so far."""
        while True:
            try:
                self._heard.append(self._socket.recv(1000).decode())
            except BlockingIOError:
                return list(self._heard)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path / "notify")
    yield manager
    manager.close()


def test_more_time_is_asked_for_while_loads_follow_each_other_and_while_jobs_end(
    tmp_path: Path, manager: Manager
) -> None:
    stack = slow_stack(tmp_path, manager)
    try:
        wait_until(lambda: "READY=1" in manager.heard(), 120, f"ready:\n{stack.log}")
        started = manager.heard()
        hearers = [process for process in stack.processes()[1:] if VARIABLE in process.environ()]
        stack.wait_ready()
        job_id = stack.submit("patient", patient_request(tmp_path, steps=80))
        stack.wait_state(job_id, "running")
        served = manager.heard()
    finally:
        status = stack.stop(timeout_s=90)
    stopped = manager.heard()[len(served) :]

    # The loads alone take longer than it waits between two.
    assert started.count(MORE) >= 2
    assert started[-1] == "READY=1"
    assert served == started
    assert hearers == []
    assert stopped[0] == f"STOPPING=1\n{MORE}"
    assert set(stopped[1:]) == {MORE}
    assert status == 0


def test_gateway_alone_says_how_long_its_end_may_take(tmp_path: Path, manager: Manager, stack: Stack) -> None:
    port = free_port()
    gateway = subprocess.Popen(
        [*ATHENA, "api", "--port", str(port), "--redis", stack.redis_url],
        cwd=tmp_path,
        env={**os.environ, VARIABLE: str(manager.path), "ATHENA_GRACE_S": "120"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/livez"), 60, "the gateway serves")
    finally:
        gateway.terminate()
        gateway.wait(60)

    (said,) = manager.heard()
    state, _, microseconds = said.partition("\nEXTEND_TIMEOUT_USEC=")
    assert state == "STOPPING=1"
    assert int(microseconds) > from_env({"ATHENA_GRACE_S": "120"}).grace_s * 1e6


def slow_stack(folder: Path, manager: Manager) -> Stack:
    """Returns a stack of which an ability's first worker hangs as it loads, while the others wait for it."""
    cache = folder / "model cache"
    cache.mkdir()
    (cache / "hang").touch()
    environment = {
        VARIABLE: str(manager.path),
        "ATHENA_LOAD_TIMEOUT_S": str(LOAD_TIMEOUT_S),
        "ATHENA_CACHE_DIR": str(folder / "cache"),
        "CACHED_FOLDER": str(cache),
        "CACHED_TOGETHER": "1",
    }
    abilities = ("--ability", str(CACHED), "--ability", str(PATIENT))
    return Stack(folder, free_port(), free_port(), *abilities, **environment)


def patient_request(folder: Path, steps: int) -> dict[str, object]:
    return {
        "header": {"app_id": "test", "status": 3},
        "parameter": {"patient": {"steps": steps, "note": str(folder / "note")}},
        "payload": {"text": {"text": "aGVsbG8="}},
    }


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == 200
    except requests.ConnectionError:
        return False
