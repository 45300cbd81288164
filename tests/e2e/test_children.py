"""Processes that a wrapper starts, and what it prints, in a whole Athena."""

import psutil
import pytest

from tests.e2e.conftest import Stack, faulty_answer, faulty_request, wait_until

pytestmark = pytest.mark.e2e


def test_forks_can_be_terminated(faulty: Stack) -> None:
    assert faulty_answer(faulty, "fork") == "ended with -15"


def test_what_a_wrapper_has_started_ends_with_its_worker(faulty: Stack) -> None:
    worker = psutil.Process(int(faulty_answer(faulty, "")))
    pids = [int(pid) for pid in faulty_answer(faulty, "children").split()]
    assert all(psutil.pid_exists(pid) for pid in pids)

    worker.kill()

    # The next one is not started before.
    wait_until(lambda: int(faulty_answer(faulty, "")) != worker.pid, 60, "another worker answers")
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_what_a_wrapper_prints_is_in_the_log_at_once(faulty: Stack) -> None:
    faulty_answer(faulty, "print")

    assert "printed by the wrapper" in faulty.log


def test_last_words_of_a_wrapper_are_in_the_log(faulty: Stack) -> None:
    job_id = faulty.submit("faulty", faulty_request(mode="last words"))
    faulty.wait_state(job_id, "poisoned")

    assert faulty.log.count("these are the last words") == 3
