"""Processes that are killed under load."""

import collections
import threading
import time
from functools import partial
from typing import Any

import psutil
import pytest
import requests

from athena.errors import PoisonedError
from tests.e2e.conftest import Stack, example, faulty_request, wait_until

pytestmark = pytest.mark.e2e


class Load:
    """Clients that call echo until they are stopped, and what they were answered."""

    def __init__(self, stack: Stack, clients: int) -> None:
        self.answers: collections.Counter[Any] = collections.Counter()
        self.successes = 0
        self._stack = stack
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _call(self) -> None:
        session = requests.Session()
        request = example("echo")
        while not self._stopped.is_set():
            try:
                answer = session.post(f"{self._stack.url}/echo", json=request, timeout=80)
                code = answer.json()["header"]["code"]
                self.answers[code] += 1
                self.successes += code == 0
            except requests.ConnectionError:
                self.answers["connection"] += 1
            except requests.Timeout:
                self.answers["hung"] += 1

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join()


def test_an_input_that_the_wrapper_refuses_is_a_400_in_its_words(faulty: Stack) -> None:
    request = faulty_request(mode="input")

    answer = faulty.post("/faulty", request)
    job = faulty.wait_state(faulty.submit("faulty", request), "failed")

    message = "an input cannot be used: /payload/text holds no face"
    header = answer.json()["header"]
    assert (answer.status_code, header["code"], header["message"]) == (400, 10163, message)
    assert message in str(job)


def test_a_killed_worker_hangs_no_client(faulty: Stack) -> None:
    load = Load(faulty, 16)
    try:
        for _ in range(2):
            load.successes = 0
            wait_until(lambda: load.successes > 50, 60, "load")
            workers = faulty.children("workers")
            for process in workers:
                process.kill()
            wait_until(partial(replaced, faulty, workers), 30, "workers replaced")
            load.successes = 0
            wait_until(lambda: load.successes > 10, 60, "service is back")
    finally:
        load.stop()

    assert set(load.answers) <= {0, PoisonedError.code}


def test_service_comes_back_after_redis_was_killed(faulty: Stack) -> None:
    redis_process = faulty.redis_process()

    redis_process.kill()

    wait_until(lambda: answered(faulty), 60, "echo answers again")


def test_service_comes_back_after_the_gateway_was_killed(faulty: Stack) -> None:
    faulty.child("-m", "api").kill()

    wait_until(lambda: answered(faulty), 60, "echo answers again")


def replaced(stack: Stack, dead: list[psutil.Process]) -> bool:
    alive = stack.children("workers")
    return len(alive) == len(dead) and not set(alive) & set(dead)


def answered(stack: Stack) -> bool:
    try:
        answer = requests.post(f"{stack.url}/echo", json=example("echo"), timeout=10)
    except requests.RequestException:
        time.sleep(0.2)
        return False
    return answer.status_code == 200
