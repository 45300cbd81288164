"""The job that a wrapper is running: whether it is still wanted, and how far it is.

    from athena.sdk import job

    def wrapperOnceExec(self, params, reqData, usrTag="", persId=0):
        for step in range(100):
            if job.cancelled():
                return None
            ...
            job.progress((step + 1) / 100)

Both may be called from the thread of the call; from other threads name the job by `params["sid"]`. Outside of
a job, for example in `wrapperInit` or in `athena run`, nothing is canceled and progress goes nowhere.
"""

import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class RunningJob(Protocol):
    """What the worker knows of a job that runs."""

    job_id: str
    is_canceled: bool
    progress: float | None

    @property
    def attempt(self) -> int:
        """Which run of it this is, from 1."""

    @property
    def traceparent(self) -> str:
        """What a request has to carry that its call sends."""


_by_sid: dict[str, RunningJob] = {}
_of_thread = threading.local()


def cancelled(sid: str | None = None) -> bool:
    """Whether nobody wants the answer any more, so that the call may end early with any result.

    Args:
        sid: the job; without it, all jobs of this thread's call must be canceled.
    """
    jobs = _jobs(sid)
    # Of no jobs `all` is true, and outside of a job nothing is canceled.
    return bool(jobs) and all(job.is_canceled for job in jobs)


def progress(done: float, sid: str | None = None) -> None:
    """Tells how much of a job is done; `GET /v1/jobs/{id}` shows it, at most half a second later.

    Args:
        done: from 0 to 1.
        sid: the job; without it, all jobs of this thread's call.

    Raises:
        ValueError: `done` is not between 0 and 1.
    """
    value = float(done)
    if not 0 <= value <= 1:
        raise ValueError(f"progress must be from 0 to 1, got {done!r}")
    for job in _jobs(sid):
        job.progress = value


def traceparent(sid: str | None = None) -> str:
    """Returns the header `traceparent` for requests that the call sends, so that they are of its trace.

    Args:
        sid: the job; without it, the first one of this thread's call.

    Returns:
        The header's value; "" where the job is not traced.
    """
    return next((job.traceparent for job in _jobs(sid) if job.traceparent), "")


def _jobs(sid: str | None) -> Sequence[RunningJob]:
    if sid is None:
        return of_thread()
    job = _by_sid.get(sid)
    return [job] if job is not None else []


def of_thread() -> Sequence[RunningJob]:
    """Returns the jobs that this thread's call is about; for workers."""
    jobs: Sequence[RunningJob] = getattr(_of_thread, "jobs", ())
    return jobs


def running(jobs: Sequence[RunningJob]) -> AbstractContextManager[None]:
    """Makes jobs the ones that this thread's call is about; for workers."""
    return _Call(jobs)


class _Call:
    """A call with jobs; a class, as a generator takes three times as long, and each call has one."""

    __slots__ = ("_jobs",)

    def __init__(self, jobs: Sequence[RunningJob]) -> None:
        self._jobs = jobs

    def __enter__(self) -> None:
        _of_thread.jobs = self._jobs
        for job in self._jobs:
            _by_sid[job.job_id] = job

    def __exit__(self, *_: object) -> None:
        _of_thread.jobs = ()
        for job in self._jobs:
            _by_sid.pop(job.job_id, None)
