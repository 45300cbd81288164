"""How jobs ended that came to nothing, by the error. Pure."""

from athena.errors import AthenaError, CanceledError, ExpiredError, InternalError, WrapperError
from athena.jobs.record import Outcome
from athena.plain_text import plain_line
from athena.protocol.enums import JobState
from workers.batching.jobs import BatchJob

_STATES = {CanceledError: JobState.CANCELED, ExpiredError: JobState.EXPIRED}


def outcome_of_error(error: AthenaError, batch_size: int = 0) -> Outcome:
    """Returns the outcome of a job that an error of ours has ended.

    Args:
        error: why.
        batch_size: how many jobs shared its call; 0 for one that was not started.
    """
    return failure(_STATES.get(type(error), JobState.FAILED), error, batch_size)


def failure(state: JobState, error: AthenaError, batch_size: int, exec_ms: float = 0.0) -> Outcome:
    """Returns the outcome of a job in a state that the error does not tell: a wrapper may have raised it."""
    return Outcome(
        state,
        # Wrappers may raise errors of ours, with codes that are no numbers.
        code=error.code if type(error.code) is int else WrapperError.code,
        message=plain_line(error.summary),
        exec_ms=exec_ms,
        batch_size=batch_size,
        place=error.place if type(error.place) is str else "",
    )


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
