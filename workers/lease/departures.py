"""Jobs on their way from the inference threads to Redis: ended, told, let go."""

import logging
from collections.abc import Sequence
from typing import assert_never

from athena.store.lease import EndedElsewhere, Finished, FinishFailed, FinishVerdict
from workers.batching.batcher import Batcher
from workers.lease.held_jobs import HeldJob, HeldJobs
from workers.lease.outbox import Outbox
from workers.lease.recycling import Wear
from workers.lease.tally import Tally
from workers.lease.traces import Traces

logger = logging.getLogger(__name__)

#: After so many refusals, one each pause, a job's outcome is given up: its keys are not what they should be.
MAX_REFUSALS = 60


class Departures:
    """The jobs of one worker, from the end of their calls until Redis and Celery know of it."""

    def __init__(
        self,
        held: HeldJobs,
        outbox: Outbox,
        batcher: Batcher,
        wear: Wear,
        tally: Tally,
        traces: Traces | None = None,
    ) -> None:
        self._held = held
        self._outbox = outbox
        self._batcher = batcher
        self._wear = wear
        self._tally = tally
        self._traces = traces

    def collect(self) -> None:
        """Puts what has ended into the outbox."""
        for work in self._batcher.collect():
            job = self._held.holder_of(work)
            if job is None:
                logger.info(
                    "job %s was taken again meanwhile; the end of its earlier take is dropped", work.job_id
                )
                continue
            job.outcome = work.outcome
            if work.began_s:
                self._tally.note_wait(work.began_s - work.came_s)
            if work.trace is not None and self._traces is not None:
                self._outbox.notes.append(self._traces.close(work, work.trace))
            if work.is_lost:
                # It went back to its queue: who has it now tells how it ends.
                self._held.drop(job)
                tell_celery([], [job])
            elif work.spoiled:
                self._spoil(job)
            else:
                self._outbox.ended.append(job)

    def _spoil(self, job: HeldJob) -> None:
        """Returns a job that a broken process failed; the supervisor passes on those that broke it."""
        breakage = self._batcher.breakage
        if breakage is None or job.taken.job_id not in breakage.blamed:
            self._held.drop(job)
            self._outbox.returned.append(job)

    def read_finished(self, jobs: Sequence[HeldJob], verdicts: Sequence[FinishVerdict]) -> bool:
        """Lets go of the jobs whose outcomes Redis has; returns whether some are to be told again."""
        has_failed = False
        for job, verdict in zip(jobs, verdicts, strict=True):
            job_id = job.taken.job_id
            match verdict:
                case Finished():
                    self._let_go(job)
                case EndedElsewhere():
                    logger.info("job %s ended elsewhere before; its answer is dropped", job_id)
                    self._let_go(job)
                case FinishFailed(reason=reason) if job.refusals < MAX_REFUSALS:
                    logger.error("job %s could not be finished: %s; trying again", job_id, reason)
                    job.refusals += 1
                    self._outbox.ended.append(job)
                    has_failed = True
                case FinishFailed(reason=reason):
                    logger.error("job %s could not be finished and is given up: %s", job_id, reason)
                    self._let_go(job)
                case _:
                    assert_never(verdict)
        return has_failed

    def _let_go(self, job: HeldJob) -> None:
        self._held.drop(job)
        self._wear.count()


def tell_celery(started: Sequence[HeldJob], ended: Sequence[HeldJob]) -> None:
    """Tells Celery's tools what Redis knows by now."""
    for job in started:
        job.is_announced = True
        if job.on_started is not None:
            job.on_started()
    for job in ended:
        if job.on_ended is not None:
            job.on_ended(job.outcome)
