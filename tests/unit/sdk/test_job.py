"""What a wrapper asks and tells about its job while it runs."""

import threading
from dataclasses import dataclass

import pytest

from athena.sdk import job


@dataclass
class Running:
    job_id: str
    is_canceled: bool = False
    progress: float | None = None
    attempt: int = 1
    traceparent: str = ""


def test_call_is_canceled_when_all_its_jobs_are() -> None:
    first, second = Running("a", is_canceled=True), Running("b")

    with job.running([first, second]):
        some = job.cancelled()
        second.is_canceled = True
        every = job.cancelled()

    assert (some, every) == (False, True)


def test_one_job_of_a_batch_is_named_by_its_sid() -> None:
    first, second = Running("a", is_canceled=True), Running("b")

    with job.running([first, second]):
        job.progress(0.5, sid="b")
        canceled = [job.cancelled("a"), job.cancelled("b"), job.cancelled("nobody")]

    assert canceled == [True, False, False]
    assert (first.progress, second.progress) == (None, 0.5)


def test_progress_is_that_of_all_jobs_of_the_call() -> None:
    jobs = [Running("a"), Running("b")]

    with job.running(jobs):
        job.progress(1)

    assert [item.progress for item in jobs] == [1.0, 1.0]


@pytest.mark.parametrize("done", [-0.1, 1.1, float("nan")])
def test_progress_out_of_range_is_refused(done: float) -> None:
    with job.running([Running("a")]), pytest.raises(ValueError, match="from 0 to 1"):
        job.progress(done)


def test_outside_of_a_job_nothing_is_canceled_and_progress_goes_nowhere() -> None:
    with job.running([Running("a", is_canceled=True)]):
        pass

    job.progress(0.5)
    assert not job.cancelled()
    assert not job.cancelled("a")


def test_other_threads_name_the_job() -> None:
    running = Running("a", is_canceled=True)
    seen: list[bool] = []

    with job.running([running]):
        thread = threading.Thread(target=lambda: seen.extend((job.cancelled(), job.cancelled("a"))))
        thread.start()
        thread.join()

    assert seen == [False, True]
