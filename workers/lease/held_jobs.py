"""The jobs that a worker holds, each from its take until Redis has its outcome. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from athena.errors import AthenaError
from athena.jobs.queues import QueueName
from athena.jobs.record import Outcome
from athena.protocol.enums import HIGH
from athena.store.lease import TakenJob
from workers.batching.jobs import BatchJob
from workers.batching.outcomes import outcome_of_error

Callback = Callable[..., Any]


@dataclass(eq=False)
class HeldJob:
    """One of them.

    Attributes:
        is_urgent: whether it is of the high lane.
        work: the job as the batcher has it; None while Celery has not let it through.
        on_started: called when the job goes on for so long that its start is worth telling.
        on_ended: called with the outcome when Redis has it.
        is_announced: whether Celery and Redis know that it has started.
        told_progress: what Redis knows of its progress.
        refusals: how often Redis refused to finish it.
        needs_newer: why it goes back, if only a newer worker can run it.
    """

    taken: TakenJob
    taken_s: float
    is_urgent: bool = False
    work: BatchJob | None = None
    outcome: Outcome | None = None
    on_started: Callback | None = None
    on_ended: Callback | None = None
    is_announced: bool = False
    told_progress: float | None = None
    refusals: int = 0
    needs_newer: str = ""

    @property
    def spoiled(self) -> str:
        """Why the process is broken in which its call failed; "" if it did not fail so."""
        return self.work.spoiled if self.work else ""

    @property
    def is_undelivered(self) -> bool:
        """Whether Celery has neither let it through nor dropped it yet."""
        return self.work is None and self.outcome is None

    def refuse(self, error: AthenaError) -> None:
        """Ends it without running it."""
        self.outcome = outcome_of_error(error)


class HeldJobs:
    """All of them, by their ids."""

    def __init__(self) -> None:
        self._jobs: dict[str, HeldJob] = {}

    def __len__(self) -> int:
        return len(self._jobs)

    def __iter__(self) -> Iterator[HeldJob]:
        """Goes through them in the order in which they were taken."""
        return iter(self._jobs.values())

    def add(self, taken: TakenJob, now_s: float) -> bool:
        """Holds a job that was just taken; returns whether it was held already.

        Then Redis has gone back to an older state and gives it out anew: what becomes of the earlier take
        is of no use to anybody.
        """
        earlier = self._jobs.pop(taken.job_id, None)
        if earlier is not None and earlier.work is not None:
            earlier.work.is_lost = earlier.work.is_canceled = True
        is_urgent = QueueName.parse(taken.queue).lane == HIGH
        self._jobs[taken.job_id] = HeldJob(taken, now_s, is_urgent)
        return earlier is not None

    def get(self, job_id: str) -> HeldJob | None:
        """Returns a job; None if it is not held here, or not any more."""
        return self._jobs.get(job_id)

    def drop(self, job: HeldJob) -> None:
        """Lets go of a job, if it is not held by a later take."""
        if self._jobs.get(job.taken.job_id) is job:
            del self._jobs[job.taken.job_id]

    def holder_of(self, work: BatchJob) -> HeldJob | None:
        """Returns ours of the batcher's job; None if that is of an earlier take."""
        job = self._jobs.get(work.job_id)
        return job if job is not None and job.work is work else None

    def open_counts(self) -> tuple[int, int]:
        """Returns how many jobs have not ended, and how many of these are urgent."""
        # One whose end is still to be told takes no slot, so that the next take travels with the telling.
        held = [job for job in self._jobs.values() if job.outcome is None]
        return len(held), sum(job.is_urgent for job in held)

    def newly_started(self) -> list[HeldJob]:
        """Returns the jobs that run, and of which nobody was told so."""
        return [
            job
            for job in self._jobs.values()
            if job.work and job.work.is_started and not job.is_announced and not job.outcome
        ]

    def take_moved(self) -> list[HeldJob]:
        """Returns the jobs that got further since this was asked last; `told_progress` says how far."""
        moved = []
        for job in self._jobs.values():
            if job.work is not None and job.work.progress != job.told_progress:
                job.told_progress = job.work.progress
                moved.append(job)
        return moved

    def pop_undelivered(self) -> list[HeldJob]:
        """Lets go of the jobs that Celery has not let through, and returns them."""
        ids = [job_id for job_id, job in self._jobs.items() if job.is_undelivered]
        return [self._jobs.pop(job_id) for job_id in ids]

    def cancel(self, job_ids: Iterable[str]) -> None:
        """Tells the wrappers of jobs, as far as they run here, that nobody wants these any more."""
        for job_id in job_ids:
            job = self._jobs.get(job_id)
            # One that Celery has not let through yet is named again the next time.
            if job is not None and job.work is not None:
                job.work.is_canceled = True

    def lose(self, job_ids: Iterable[str]) -> list[str]:
        """Marks jobs that another worker may have by now; returns those that were not marked before."""
        lost = []
        for job_id in job_ids:
            job = self._jobs.get(job_id)
            if job is not None and job.work is not None and not job.work.is_lost:
                job.work.is_lost = job.work.is_canceled = True
                lost.append(job_id)
        return lost
