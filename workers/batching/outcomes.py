"""How jobs ended that came to nothing, by the error. Pure."""

from athena.errors import AthenaError, CanceledError, ExpiredError, InternalError
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from workers.batching.jobs import BatchJob

_STATES = {CanceledError: JobState.CANCELED, ExpiredError: JobState.EXPIRED}


def outcome_of_error(error: AthenaError, batch_size: int = 0) -> Outcome:
    """Returns the outcome of a job that an error has ended.

    Args:
        error: why.
        batch_size: how many jobs shared its call; 0 for one that was not started.
    """
    state = _STATES.get(type(error), JobState.FAILED)
    return Outcome(state, code=error.code, message=error.summary, batch_size=batch_size)


def unexpected() -> InternalError:
    """Returns what a caller is told of what the worker's log says more of."""
    return InternalError("unexpected error; the worker's log holds the details")


def unstarted_outcome(job: BatchJob, now_s: float) -> Outcome | None:
    """Returns how a job ended that is not to be started; None for one that is."""
    if job.is_canceled or job.is_lost:
        return outcome_of_error(CanceledError("canceled before it was started"))
    if job.start_by_s < now_s:
        return outcome_of_error(
            ExpiredError("the job was not started within the time it was allowed to queue")
        )
    return None
