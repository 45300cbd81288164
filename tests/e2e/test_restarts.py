"""A rolling restart under load."""

import collections
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3

from tests.e2e.conftest import ECHO, FAULTY, Stack, example, wait_until

pytestmark = pytest.mark.e2e

#: `ATHENA_TEST_CLIENTS=100` for a long look.
CLIENTS = int(os.environ.get("ATHENA_TEST_CLIENTS", "20"))
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
    assert [line.removeprefix("athena: ") for line in steps] == [
        "replacing worker echo",
        "worker echo is ready again",
        "replacing gateway",
        "gateway is ready again",
        "replacing flower",
        "flower is ready again",
    ]
