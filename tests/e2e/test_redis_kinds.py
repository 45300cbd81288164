"""`athena serve` on a Redis of other kinds: behind sentinels, whose master dies, and behind TLS."""

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.conftest import ATHENA, ROOT, Stack, example, wait_until
from tests.ports import free_port
from tests.redis_servers import SENTINEL_PASSWORD, Server, TlsProxy, sentinel_set, tls_server

pytestmark = pytest.mark.e2e

START = Callable[..., Stack]

ECHO = str(ROOT / "abilities" / "echo")

JOBS = 300


class Producer:
    """Submits jobs that nobody waits for, one after the other, until it is stopped."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.acknowledged: list[str] = []

    def __enter__(self) -> "Producer":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_stopped = True
        self._thread.join()

    def _run(self) -> None:
        request = example("echo")
        with requests.Session() as session:
            while not self._is_stopped:
                request["header"]["request_id"] = uuid.uuid4().hex
                answer = session.post(
                    f"{self._stack.url}/echo",
                    json=request,
                    headers={"Prefer": "respond-async"},
                    timeout=30,
                )
                if answer.status_code == 202:
                    self.acknowledged.append(answer.json()["header"]["sid"])
                else:
                    assert answer.status_code == 503, answer.text
                    time.sleep(0.05)


def state(stack: Stack, job_id: str) -> str:
    """Returns what became of a job, "lost" when nobody knows it, "" when nobody can tell now."""
    answer = stack.get(f"/v1/jobs/{job_id}")
    if answer.status_code == 404:
        return "lost"
    return str(answer.json().get("job", {}).get("state", "")) if answer.ok else ""


def inspected(url: str, command: str = "ping") -> Any:
    """Asks the workers by Celery's own tool."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "celery", "-A", "workers.celery_app"),
            *("inspect", command, "--json", "--timeout", "10"),
        ],
        cwd=ROOT,
        env={**os.environ, "ATHENA_REDIS_URL": url},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def answers(stack: Stack) -> bool:
    """Whether a job that is submitted now is answered."""
    answer = stack.post("/echo", example("echo"))
    return answer.status_code == 200


def broker_page(stack: Stack) -> str:
    """Returns Flower's page of the queues."""
    return requests.get(f"{stack.flower_url}/broker", timeout=30).text


@pytest.mark.parametrize("how", ["kill", "hang"])
def test_all_goes_on_after_the_master_is_gone(
    start_stack: START, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], how: str
) -> None:
    monkeypatch.setenv("ATHENA_SENTINEL_PASSWORD", SENTINEL_PASSWORD)
    with sentinel_set() as sentinels:
        stack = start_stack("--ability", ECHO, "--redis", sentinels.url)
        stack.wait_ready()
        assert list(inspected(sentinels.url)) == [f"echo.cpu.0@{os.uname().nodename}"]
        assert answers(stack)
        assert "echo.cpu" in broker_page(stack)

        with Producer(stack) as producer:
            wait_until(lambda: len(producer.acknowledged) > JOBS, 60, "jobs are submitted")
            old = sentinels.master
            getattr(old, how)()
            jobs, killed_s = list(producer.acknowledged), time.monotonic()
            sentinels.wait_for_other_master(old)
            chosen_s = time.monotonic()
            wait_until(lambda: len(producer.acknowledged) > len(jobs) + 5, 60, "jobs are submitted again")
        wait_until(lambda: answers(stack), 60, "a job is answered again")
        answered_s = time.monotonic()
        jobs = list(producer.acknowledged)

        def states() -> list[str]:
            found = [state(stack, job) for job in jobs]
            return found if set(found) <= {"succeeded", "lost"} else []

        lost = wait_until(states, 60, "all acknowledged jobs have ended").count("lost")
        with capsys.disabled():
            print(f"\n{how}: new master after {chosen_s - killed_s:.1f} s,")
            print(f"first answer {answered_s - chosen_s:.1f} s later,")
            print(f"{lost} of {len(jobs)} acknowledged jobs lost (replication lag)")
        # What was acknowledged less than the replication lag before the death may be gone.
        assert lost < len(jobs) / 10
        wait_until(lambda: inspected(sentinels.url), 30, "the workers answer Celery's tools")
        # A new master is looked at now and then.
        wait_until(lambda: stack.get("/readyz").json()["checks"]["redis_settings"], 60, "it is found sound")
        assert "p@ss" not in stack.log and "p%40ss" not in stack.log
        assert stack.stop() == 0


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[Server, TlsProxy]]:
    (tmp_path / "tls").mkdir()
    with tls_server(tmp_path / "tls") as running:
        yield running


def test_serving_over_tls(
    start_stack: START, tls: tuple[Server, TlsProxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATHENA_REDIS_CA_FILE", str(tmp_path / "tls" / "ca.pem"))
    proxy = tls[1]
    url = f"rediss://:p%40ss%2Fword@localhost:{proxy.port}/3"
    stack = start_stack("--ability", ECHO, "--redis", url)
    stack.wait_ready()

    assert answers(stack)
    assert inspected(url)
    assert "echo.cpu" in broker_page(stack)
    assert stack.get("/readyz").json()["ready"] is True

    proxy.drop_all()

    wait_until(lambda: answers(stack), 30, "a job is answered again")
    assert stack.stop() == 0


def run_serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command that is to be refused."""
    ports = ["--port", str(free_port()), "--flower-port", str(free_port())]
    command = [*ATHENA, "serve", *ports, "--ability", ECHO, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_wrong_authority_is_refused_at_the_start(
    tls: tuple[Server, TlsProxy], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATHENA_REDIS_CA_FILE", str(tmp_path / "tls" / "other.pem"))

    done = run_serve("--redis", f"rediss://:p%40ss%2Fword@localhost:{tls[1].port}/3")

    assert done.returncode == 78
    assert "its certificate is not trusted" in done.stderr
    assert "Traceback" not in done.stderr
