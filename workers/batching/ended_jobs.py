"""Jobs that have ended, on their way out of the inference threads."""

from collections import deque
from collections.abc import Callable, Iterable

from athena.jobs.record import Outcome
from workers.batching.jobs import BatchJob

#: While jobs wait, the ends of short calls are told together: each telling keeps the next call waiting.
TELL_EVERY_S = 0.001


class EndedJobs:
    """Threads add to it, and the worker's loop collects.

    Args:
        on_ended: called from a thread when there is something to `collect`.
    """

    def __init__(self, on_ended: Callable[[], None]) -> None:
        self._on_ended = on_ended
        self._jobs: deque[BatchJob] = deque()
        self._told_s = 0.0
        #: Whether there are some that the loop was not told of.
        self.has_untold = False

    def add(self, job: BatchJob, outcome: Outcome) -> None:
        """A job has ended."""
        job.outcome = outcome
        self._jobs.append(job)

    def add_spoiled(self, jobs: Iterable[BatchJob], reason: str) -> None:
        """Jobs are to run elsewhere: this process is broken."""
        for job in jobs:
            job.spoiled = reason
            self._jobs.append(job)

    def collect(self) -> list[BatchJob]:
        """Returns the jobs that ended since the last call."""
        ended = []
        # First: what is added from now on is told anew.
        self.has_untold = False
        # One by one, and without a lock: a thread may add some meanwhile, and the loop waits for none.
        while self._jobs:
            ended.append(self._jobs.popleft())
        return ended

    def tell(self, now_s: float) -> None:
        """Tells the loop that there are some."""
        self.has_untold = False
        self._told_s = now_s
        self._on_ended()

    def tell_soon(self, now_s: float) -> None:
        """Tells the loop, unless it was told a moment ago; then somebody does who looks at `has_untold`."""
        self.has_untold = True
        if now_s - self._told_s >= TELL_EVERY_S:
            self.tell(now_s)
