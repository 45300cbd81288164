"""A job on its way through the inference threads."""

from dataclasses import dataclass

from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from workers.batching.job_trace import JobTrace


@dataclass(eq=False)
class BatchJob:
    """A job on its way through the batcher.

    Attributes:
        runs_alone: whether nothing else may run in this process while it does: a worker died under it before.
        is_suspect: whether its call failed in a process that was found broken; it runs in one that has just
            answered its example.
        is_urgent: whether it comes before those that are not (see `workers.batching.waiting_line`).
        start_by_s: when it must have been started, on the monotonic clock.
        is_started: whether its inference call has begun.
        is_canceled: whether nobody wants it any more; a wrapper may ask for this while it runs.
        is_lost: whether another worker may have it by now; it is not started, and its outcome is of no use.
        progress: what the wrapper says of it, from 0 to 1.
        outcome: how it ended; None while it has not.
        attempt: which run of the job this is, from 1 on; 0 where that is not known.
        spoiled: why the process was found broken in which its call failed; then it has no outcome.
        came_s: when it was taken, on the monotonic clock, and `began_s` when its call began; 0 if it has not.
        trace: when it came, began and ended, where it is traced.
        prepared: its inputs, fetched and decoded before its call, until that takes them; else None.
        prepared_bytes: their size; None while nobody has tried.
    """

    job_id: str
    message: JobMessage
    runs_alone: bool = False
    start_by_s: float = float("inf")
    is_urgent: bool = False
    is_started: bool = False
    is_canceled: bool = False
    is_lost: bool = False
    progress: float | None = None
    outcome: Outcome | None = None
    is_suspect: bool = False
    spoiled: str = ""
    attempt: int = 0
    came_s: float = 0.0
    began_s: float = 0.0
    trace: JobTrace | None = None
    prepared: object = None
    prepared_bytes: int | None = None

    @property
    def traceparent(self) -> str:
        """What a request has to carry that its call sends; "" where it is not traced."""
        return self.trace.run.header() if self.trace is not None else ""
