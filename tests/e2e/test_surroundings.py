"""One Athena in odd surroundings: its data folder's name, the variables that it finds, another supervisor."""

import re
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.e2e.conftest import (
    ATHENA,
    ECHO,
    ROOT,
    Stack,
    example,
    serving,
    tool_environment,
    wait_until,
)
from tests.ports import free_port

pytestmark = pytest.mark.e2e

TOKEN, SEAL_KEY = "the-token-of-the-operator", "the seal of secrets, of 32 characters"

VARIABLES = {
    "FLOWER_URL_PREFIX": "elsewhere",
    "FLOWER_UNIX_SOCKET": "/nowhere/flower.sock",
    "FLOWER_ADDRESS": "192.0.2.1",
    "FLOWER_PORT": "1",
    "ATHENA_FLOWER_URL_PREFIX": "/monitor/flower/",
    "ATHENA_ADMIN_TOKEN": TOKEN,
    "ATHENA_SEAL_KEY": SEAL_KEY,
    "ATHENA_IDLE_S": "3",
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """In a folder whose name a URL would not take as it is, which is open to everybody."""
    folder = tmp_path_factory.mktemp("odd") / "C# 50%25 a?b é"
    data = folder / "data"
    data.mkdir(parents=True)
    data.chmod(0o755)
    with serving(folder, ECHO, **VARIABLES) as running:
        yield running


def test_data_folder_may_have_any_name(odd: Stack) -> None:
    assert odd.post("/echo", example("echo")).status_code == 200
    assert (odd.data_dir / "redis.sock").is_socket()


def test_open_data_folder_is_closed_and_so_are_its_files(odd: Stack) -> None:
    def others(path: Path) -> int:
        return path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)

    assert others(odd.data_dir) == 0
    assert [path for path in (odd.data_dir / "appendonlydir").rglob("*") if others(path)] == []


def test_silent_connections_are_swept_out(odd: Stack) -> None:
    with socket.create_connection(("127.0.0.1", odd.port), 60) as silent:
        assert silent.recv(1) == b""


def test_celery_finds_the_folder_by_the_url_that_is_announced(odd: Stack) -> None:
    announced = re.search(r"ATHENA_REDIS_URL=(\S+|'[^']*') celery", odd.log)
    assert announced is not None

    command = [
        str(ROOT / ".venv/bin/celery"),
        "-A",
        "workers.celery_app",
        "inspect",
        "ping",
        "--timeout",
        "5",
    ]
    environment = {**tool_environment(odd), "ATHENA_REDIS_URL": announced[1].strip("'")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)

    assert "pong" in done.stdout, done.stderr


def test_flower_is_where_the_settings_say(odd: Stack) -> None:
    assert f"flower     {odd.flower_url}/monitor/flower" in odd.log
    wait_until(
        lambda: requests.get(f"{odd.flower_url}/monitor/flower/healthcheck", timeout=60).status_code == 200,
        30,
        "Flower answers",
    )


@pytest.mark.parametrize("secret", [TOKEN, SEAL_KEY])
def test_only_the_gateway_knows_the_operators_secrets(secret: str, odd: Stack) -> None:
    def knows(process: psutil.Process) -> bool:
        return secret in process.environ().values()

    gateway = odd.child("api")

    assert knows(gateway)
    others = [process for process in odd.processes()[1:] if process != gateway]
    assert len(others) >= 3
    assert [process.cmdline() for process in others if knows(process)] == []


def test_another_supervisor_of_this_host_names_its_workers_otherwise(odd: Stack) -> None:
    def names() -> set[str]:
        return {worker["name"] for worker in odd.get("/v1/abilities/echo").json()["workers"]}

    (first,) = names()
    command = [*ATHENA, "workers", "--ability", str(ECHO), "--redis", odd.redis_url]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as other:
        try:
            wait_until(lambda: len(names()) == 2, 60, "both supervisors' workers serve")
            (second,) = names() - {first}
        finally:
            other.terminate()
            assert other.wait(60) in (0, -signal.SIGTERM)

    assert second == first.replace("@", ".2@")


def test_flower_that_cannot_start_ends_nothing(tmp_path: Path) -> None:
    ports = free_port(), free_port()
    stack = Stack(tmp_path, *ports, "--ability", str(ECHO), FLOWER_DEBUG="neither yes nor no")
    try:
        wait_until(lambda: "athena: flower ended (exit status" in stack.log, 120, "Flower ended")

        assert "athena: ready after" in stack.log
        assert stack.post("/echo", example("echo")).status_code == 200
    finally:
        assert stack.stop() == 0
