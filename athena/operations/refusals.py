"""What is told of jobs that are not there or cannot be submitted, each in one sentence."""

from collections.abc import Callable
from typing import assert_never

from athena.access.quotas import over_quota
from athena.errors import (
    AthenaError,
    NotFoundError,
    QueueFullError,
    RequestIdConflictError,
    ResultExpiredError,
    StoreError,
)
from athena.protocol.paths import main_of
from athena.store.submission import Submission
from athena.store.verdicts import (
    Conflict,
    InputsLost,
    LetterGone,
    OverQuota,
    QueueFull,
    QueueHeavy,
    Refused,
    SubmitFailed,
)

#: Tells when an ability's queue of so many jobs will have been worked off, in seconds.
WhenFree = Callable[[str, int], int]


def in_a_while(service_id: str, jobs: int) -> int:
    """What is told of a queue by those who do not know how fast it is worked off."""
    return 5


def refusal_of(
    verdict: Refused, job: Submission, when_free: WhenFree = in_a_while, names_others: bool = True
) -> AthenaError:
    """Returns why Redis has not taken a job.

    Args:
        verdict: what Redis has said.
        job: which it was about.
        when_free: tells when a full queue is worth another try.
        names_others: whether whoever asks may hear which job has the request_id.
    """
    match verdict:
        case QueueFull(jobs=jobs):
            return _full(job, f"holds {jobs} jobs", when_free(job.service_id, jobs))
        case QueueHeavy(held_bytes=held):
            what = f"and its workers hold {held} bytes, and {job.bytes} more are over the limit"
            return _full(job, what, when_free(job.service_id, job.max_queue_jobs))
        case Conflict(job_id=other_id):
            other = f"job {other_id}" if names_others else "a job"
            # A retry has no body that could differ.
            why = "" if job.retry_of else ", whose body differs"
            return RequestIdConflictError(f"request_id {job.request_id!r} belongs to {other}{why}")
        case InputsLost():
            return StoreError("the inputs were lost on their way into Redis; try again", retry_after_s=1)
        case OverQuota(detail=detail):
            return over_quota(detail, job.app_id, main_of(job.service_id))
        case LetterGone():
            return no_letter(job.retry_of)
        case SubmitFailed(reason=reason):
            return StoreError(f"Redis refused the job: {reason}", retry_after_s=1)
        case _:
            assert_never(verdict)


def _full(job: Submission, what: str, retry_after_s: int) -> QueueFullError:
    message = f"the queue of {job.service_id} {what}; it takes no more for now"
    return QueueFullError(message, retry_after_s=retry_after_s)


def no_job(name: str) -> NotFoundError:
    """Returns what is told of a job that nobody knows."""
    return NotFoundError(f"there is no job {name!r}, or its record has expired")


def no_letter(job_id: str) -> NotFoundError:
    """Returns what is told of a dead letter that is none."""
    return NotFoundError(f"there is no dead letter {job_id!r}; it expired, was dropped, or was tried again")


def no_inputs(job_id: str) -> ResultExpiredError:
    """Returns what is told of a job that cannot be tried again."""
    return ResultExpiredError(f"the inputs of job {job_id} are not kept any more; send it again")
