"""A rolling restart under load."""

import collections
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
import urllib3

from tests.e2e.conftest import ECHO, FAULTY, Stack, example, serving, wait_until

pytestmark = pytest.mark.e2e

#: `ATHENA_TEST_CLIENTS=100` for a long look.
CLIENTS = int(os.environ.get("ATHENA_TEST_CLIENTS", "20"))
PATIENT = FAULTY.parent / "patient"
PARTS = (("-m", "workers"), ("-m", "api"), ("flower",))


class Clients:
    """Threads that call echo until they are stopped, and what they were answered."""

    def __init__(self, url: str) -> None:
        self.answers: collections.Counter[Any] = collections.Counter()
        self._url = url
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        with requests.Session() as session:
            while not self._stopped.is_set():
                answer = self._answer(session)
                with self._lock:
                    self.answers[answer] += 1

    def _answer(self, session: requests.Session) -> Any:
        try:
            answer = session.post(f"{self._url}/echo", json=example("echo"), timeout=80)
        except requests.ConnectionError as error:
            # Nothing was sent, so any client may try again.
            return "refused" if is_refused(error) else repr(error)
        except requests.RequestException as error:
            return repr(error)
        return answer.json()["header"]["code"] if answer.status_code == 200 else answer.text

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def is_refused(error: requests.ConnectionError) -> bool:
    """Whether no connection came about."""
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", cause)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def pids(stack: Stack) -> dict[tuple[str, ...], set[int]]:
    """Returns the processes that a rolling restart replaces, by what they are."""
    return {words: {process.pid for process in stack.children(*words)} for words in PARTS}


def test_sighup_replaces_all_processes_and_fails_no_request(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack("--ability", str(FAULTY), "--ability", str(ECHO))
    stack.wait_ready()
    before = pids(stack)
    clients = Clients(stack.url)
    try:
        wait_until(lambda: clients.answers[0] > 100, 60, "load")
        stack.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "all processes were replaced" in stack.log, 180, "replaced")
        served = clients.answers[0]
        wait_until(lambda: clients.answers[0] > served + 100, 60, "load goes on")
    finally:
        clients.stop()

    after = pids(stack)
    assert set(clients.answers) <= {0, "refused"}, clients.answers
    for words in PARTS:
        assert len(before[words]) == len(after[words]) > 0, words
        assert not before[words] & after[words], words


def test_sighup_replaces_one_process_after_the_other(start_stack: Callable[..., Stack]) -> None:
    stack = start_stack("--ability", str(ECHO))
    stack.wait_ready()

    stack.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "all processes were replaced" in stack.log, 120, "replaced")

    steps = [line for line in stack.log.splitlines() if "replacing " in line or "is ready again" in line]
    assert [line.partition("athena: ")[2] for line in steps] == [
        "replacing worker echo",
        "worker echo is ready again",
        "replacing gateway",
        "gateway is ready again",
        "replacing flower",
        "flower is ready again",
    ]


def patient_request(folder: Path, **header: str) -> dict[str, Any]:
    """Returns a request for a call of some seconds."""
    return {
        "header": {"app_id": "test", "status": 3, **header},
        "parameter": {"patient": {"steps": 50, "note": str(folder / "note")}},
        "payload": {"text": {"text": "aGVsbG8="}},
    }


def test_calls_longer_than_the_grace_hear_of_their_jobs_from_a_gateway_that_ends(tmp_path: Path) -> None:
    private, named = patient_request(tmp_path), patient_request(tmp_path, request_id="long")
    calls: list[tuple[Any, dict[str, str]]] = [(private, {}), (private, {"Prefer": "wait=60"}), (named, {})]
    with serving(tmp_path, PATIENT, ATHENA_GRACE_S="1") as stack, ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(stack.post, "/patient", body, headers=headers) for body, headers in calls]
        wait_until(lambda: open_jobs(stack) == 3, 30, "the jobs are there")
        gateway = stack.child("-m", "api")
        gateway.terminate()
        left, accepted, known = (answer.result(30) for answer in answers)
        wait_until(lambda: stack.children("-m", "api") not in ([], [gateway]), 60, "the next gateway")
        wait_until(lambda: is_ready(stack), 60, "it serves")

        assert (left.status_code, left.headers["Retry-After"]) == (503, "1")
        assert "was canceled" in left.json()["header"]["message"]
        assert accepted.status_code == 202
        assert stack.job(accepted.json()["job"]["id"], wait_s=60)["state"] == "succeeded"
        assert stack.get(accepted.headers["Location"]).status_code == 200
        assert (known.status_code, known.headers["Retry-After"]) == (503, "1")
        assert "goes on" in known.json()["header"]["message"]
        assert stack.post("/patient", named).status_code == 200
        wait_until(lambda: open_jobs(stack) == 0, 30, "nothing goes on that nobody asks for")
        # It would end by itself, too.
        assert sorted(states(stack)) == ["canceled", "succeeded", "succeeded"]


def open_jobs(stack: Stack) -> int:
    """Returns how many jobs are queued or running."""
    return sum(state in ("queued", "running") for state in states(stack))


def states(stack: Stack) -> list[str]:
    return [job["state"] for job in stack.get("/v1/jobs?service_id=patient").json()["jobs"]]


def is_ready(stack: Stack) -> bool:
    try:
        return stack.get("/readyz").status_code == 200
    except requests.ConnectionError:
        return False
