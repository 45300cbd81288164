"""Starts the whole of Athena, as an operator would."""

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from athena.settings import from_env
from athena.store.address import redis_url_of
from tests.ports import free_port as free_port

ROOT = Path(__file__).resolve().parents[2]
ATHENA = [sys.executable, "-P", "-m", "athena"]
START_TIMEOUT_S = 180.0
FAULTY = ROOT / "tests" / "abilities" / "faulty"
ECHO = ROOT / "abilities" / "echo"


def wait_until(condition: Callable[[], Any], timeout_s: float, what: str) -> Any:
    """Returns the condition's first true value."""
    deadline_s = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline_s, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)


class Stack:
    """A running `athena serve`."""

    #: A program that starts it.
    before: tuple[str, ...] = ()

    def __init__(
        self, folder: Path, port: int, flower_port: int, *arguments: str, **environment: str
    ) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.flower_url = f"http://127.0.0.1:{flower_port}"
        self.data_dir = folder / "data"
        self.log_path = folder / "serve.log"
        command = [*self.before, *ATHENA, "serve", "--port", str(port), "--flower-port", str(flower_port)]
        command += ["--data", str(self.data_dir), *arguments]
        # This variable hides that output is buffered; few machines of users have it.
        environment = {"PYTHONUNBUFFERED": "", **environment}
        # The log goes into a file: a pipe that nobody reads would stop the server one day.
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def redis_url(self) -> str:
        return redis_url_of(from_env({}, data_dir=str(self.data_dir)))

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.process.poll() is None, f"athena serve ended:\n{self.log}"
            # Flower comes after the rest.
            return "ready after" in self.log and "flower is ready" in self.log

        wait_until(ready, START_TIMEOUT_S, f"ready:\n{self.log}")

    def processes(self) -> list[psutil.Process]:
        """Returns the supervisor and all that descend from it."""
        try:
            parent = psutil.Process(self.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def children(self, *words: str) -> list[psutil.Process]:
        """Returns the children whose command line has all the words. One that has ended has none."""
        found = []
        for process in self.processes()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                if set(words) <= set(process.cmdline()):
                    found.append(process)
        return found

    def child(self, *words: str) -> psutil.Process:
        """Returns the one child whose command line has all the words."""
        (process,) = self.children(*words)
        return process

    def redis_process(self) -> psutil.Process:
        """Returns the embedded server, whichever it is."""
        return next(process for process in self.processes() if process.name().endswith("-server"))

    def stop(self, number: signal.Signals = signal.SIGTERM, timeout_s: float = 60) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            for process in self.processes():
                process.kill()
            raise AssertionError(f"did not stop:\n{self.log}") from None

    def post(self, path: str, body: Any, **options: Any) -> requests.Response:
        options.setdefault("timeout", 90)
        return requests.post(self.url + path, json=body, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", 90)
        return requests.get(self.url + path, **options)

    def submit(self, service_id: str, body: Any) -> str:
        """Queues a job and returns its id."""
        answer = self.post(f"/{service_id}", body, headers={"Prefer": "respond-async"})
        assert answer.status_code == 202, answer.text
        job_id: str = answer.json()["job"]["id"]
        return job_id

    def job(self, job_id: str, wait_s: float = 0) -> Any:
        """Returns how a job stands, after its end or the time limit."""
        return self.get(f"/v1/jobs/{job_id}?wait={wait_s:g}").json()["job"]

    def wait_state(self, job_id: str, state: str, timeout_s: float = 60) -> Any:
        """Returns a job as soon as it is in a state."""

        def reached() -> Any:
            job = self.job(job_id)
            return job if job["state"] == state else None

        return wait_until(reached, timeout_s, f"job {job_id} is {state}")


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Both shipped abilities; its tests leave it clean."""
    running = Stack(tmp_path_factory.mktemp("stack"), free_port(), free_port())
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An ability that misbehaves on request, beside echo."""
    with serving(tmp_path_factory.mktemp("faulty"), FAULTY, ECHO) as running:
        yield running


@contextlib.contextmanager
def serving(folder: Path, *abilities: Path, **environment: str) -> Iterator[Stack]:
    """Runs a stack that serves some abilities."""
    arguments = [item for ability in abilities for item in ("--ability", str(ability))]
    running = Stack(folder, free_port(), free_port(), *arguments, **environment)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@pytest.fixture
def start_stack(tmp_path: Path) -> Iterator[Callable[..., Stack]]:
    """Starts stacks that end with the test."""
    started: list[Stack] = []

    def start(*arguments: str) -> Stack:
        folder = tmp_path / str(len(started))
        folder.mkdir()
        running = Stack(folder, free_port(), free_port(), *arguments)
        started.append(running)
        return running

    yield start
    for running in started:
        running.stop()


def example(service_id: str) -> Any:
    """Returns an ability's example request."""
    return json.loads((ROOT / "abilities" / service_id / "example.json").read_text())


def faulty_request(**params: Any) -> dict[str, Any]:
    """Returns a request to the ability `faulty`."""
    return {
        "header": {"app_id": "test", "status": 3},
        "parameter": {"faulty": params},
        "payload": {"text": {"text": "aGVsbG8="}},
    }


def faulty_answer(stack: Stack, mode: str) -> str:
    """Returns what the ability `faulty` answers."""
    job_id = stack.submit("faulty", faulty_request(mode=mode))
    stack.wait_state(job_id, "succeeded")
    document = stack.get(f"/v1/jobs/{job_id}").json()
    return base64.b64decode(document["payload"]["text"]["text"]).decode()


def tool_environment(stack: Stack) -> dict[str, str]:
    """Returns the environment in which Celery's tools find a stack."""
    return {**os.environ, "ATHENA_REDIS_URL": stack.redis_url}
