"""Which of the jobs that wait share an inference call. Pure."""

from collections.abc import Callable, Iterator

from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from workers.batching.jobs import BatchJob
from workers.batching.outcomes import unstarted_outcome
from workers.batching.waiting_line import Line


class Batches:
    """The jobs that were not started yet, batch by batch.

    Args:
        max_batch: so many share a call at most.
        batch_key: jobs of the same key may share a call; None for one that may not.

    Attributes:
        line: them, in the order in which they start.
    """

    def __init__(self, max_batch: int, batch_key: Callable[[JobMessage], object]) -> None:
        self._max_batch = max_batch
        self._batch_key = batch_key
        self.line: Line[BatchJob] = Line(lambda job: job.is_urgent)

    @property
    def is_full(self) -> bool:
        """Whether as many wait as may share a call."""
        return len(self.line) >= self._max_batch

    @property
    def may_grow(self) -> bool:
        """Whether others may join the job that starts next."""
        head = self.line.head
        return not head.runs_alone and self._batch_key(head.message) is not None

    def take(self) -> list[BatchJob]:
        """Takes the jobs at the head of the line that may share a call; none if nobody waits."""
        line = self.line
        if not line:
            return []
        batch = [line.pop()]
        if self._max_batch == 1:
            return batch
        key = None if batch[0].runs_alone else self._batch_key(batch[0].message)
        while key is not None and line and len(batch) < self._max_batch:
            candidate = line.head
            if candidate.runs_alone or self._batch_key(candidate.message) != key:
                break
            batch.append(line.pop())
        return batch

    def has_unwanted(self, now_s: float) -> bool:
        """Whether the job at the head of the line is not to be started."""
        return bool(self.line) and unstarted_outcome(self.line.head, now_s) is not None

    def drop_unwanted(self, now_s: float) -> Iterator[tuple[BatchJob, Outcome]]:
        """Takes the jobs out that are canceled, lost or overdue, up to one that is not."""
        line = self.line
        while line:
            outcome = unstarted_outcome(line.head, now_s)
            if outcome is None:
                return
            yield line.pop(), outcome
