"""Jobs on their way from Redis to the inference threads: taken, let through by Celery, read, handed on."""

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from celery.exceptions import WorkerShutdown

from athena.errors import AthenaError, NewerMessageError, RequestError
from athena.jobs.celery_message import find_newer
from athena.jobs.message import JobMessage
from athena.store.keys import line_key
from athena.store.lease import ForeignLimits, TakenJob, taken_jobs
from athena.telemetry.trace_context import Carried
from workers.batching.batcher import Batcher
from workers.batching.job_trace import JobTrace
from workers.batching.jobs import BatchJob
from workers.lease.held_jobs import Callback, HeldJob, HeldJobs
from workers.lease.outbox import Outbox
from workers.lease.selection.demand import Demand
from workers.lease.steps import Take, Tell

logger = logging.getLogger(__name__)

#: Exit status of a worker that was fenced.
EX_FENCED = 70

#: Why a job went back that this worker does not understand; the first word of the reason.
NEEDS_NEWER_WORKER = "needs_newer_worker"

#: Is given each job that was taken.
Deliver = Callable[[TakenJob], None]


class ForeignJobs(NamedTuple):
    """What holds for jobs that other Celery clients have sent.

    Attributes:
        read: returns the queue message of a job, from its id and the task's argument.
        limits: for how long they are kept.
    """

    read: Callable[[str, object], JobMessage]
    limits: ForeignLimits


class Arrivals:
    """The jobs of one worker, from their take until a thread may run them."""

    def __init__(
        self, held: HeldJobs, outbox: Outbox, demand: Demand, batcher: Batcher, foreign: ForeignJobs
    ) -> None:
        self._held = held
        self._outbox = outbox
        self._demand = demand
        self._batcher = batcher
        self._foreign = foreign

    def admit(self, now_s: float, take: Take, reply: Any, deliver: Deliver, is_late: bool = False) -> None:
        """Holds what a take has brought, and delivers it.

        Args:
            now_s: the time.
            take: what was asked for.
            reply: what Redis answered.
            deliver: is given each job.
            is_late: whether the call began meanwhile that the jobs were for.

        Raises:
            WorkerShutdown: the worker was fenced.
        """
        taken = taken_jobs(reply)
        if taken is None:
            logger.critical("this worker was fenced: its supervisor or a gateway took it for dead")
            raise WorkerShutdown(EX_FENCED)
        self._demand.note(take.wanted, take.draw, [job.queue for job in taken])
        for job in taken:
            if self._held.add(job, now_s):
                logger.warning("job %s is given out again: Redis went back to an older state", job.job_id)
                # What else is held here may have gone back to its queue as well.
                self._outbox.must_reconcile = True
        # Only when all are held: what ends meanwhile must find its neighbours.
        for job in taken:
            deliver(job)
        if (is_late or self._demand.is_urgent_only(take.draw)) and self._batcher.until_refill_s(now_s) > 0:
            self._return_late(taken)

    def _return_late(self, taken: Sequence[TakenJob]) -> None:
        """Returns jobs that have just missed the next call: another worker's is over sooner."""
        for job in (self._held.get(item.job_id) for item in taken):
            if job is not None and job.work is not None and self._batcher.withdraw(job.work):
                self._return(job)
                self._demand.note_returned()

    def accept(self, job_id: str, argument: Any, on_started: Callback, on_ended: Callback) -> None:
        """Hands a job to the inference threads (see `WorkerSession.accept`).

        Raises:
            NewerMessageError: only a newer worker can read it.
        """
        job = self._held.get(job_id)
        if job is None or not job.is_undelivered:
            logger.warning("job %s is not held here any more, or its task came twice", job_id)
            return
        job.on_started, job.on_ended = on_started, on_ended
        try:
            message = self._read(job_id, argument)
        except NewerMessageError:
            raise
        except AthenaError as error:
            self.refuse(job_id, error)
            return
        except Exception:
            logger.exception("job %s cannot be read", job_id)
            text = "the message is malformed; the worker's log holds the details"
            self.refuse(job_id, RequestError(text))
            return
        job.work = _work(job, message)
        self._batcher.put(job.work)

    def _read(self, job_id: str, argument: Any) -> JobMessage:
        """Returns a job's message: ours, or made of the envelope of a caller who used send_task."""
        if isinstance(argument, dict) and "v" in argument:
            return JobMessage.decode(argument)
        return self._foreign.read(job_id, argument)

    def pass_up(self, now_s: float, job_id: str, error: NewerMessageError) -> None:
        """Gives a job back that only a newer worker can read, and leaves its queue alone for a while."""
        job = self._held.get(job_id)
        if job is None or not job.is_undelivered:
            return
        if find_newer(job.taken.message) is None:
            # Another client's: who looks at the head of the queue would not leave it there.
            self.refuse(job_id, error)
            return
        queue, job.needs_newer = job.taken.queue, needs_newer(error.message)
        self._return(job)
        if self._demand.holds.hold(queue, job_id, now_s):
            logger.warning("queue %s waits: job %s %s", queue, job_id, job.needs_newer)

    def look_at_head(self, now_s: float, queue: str, message: bytes | None) -> None:
        """Takes from a queue again that was left alone, or leaves it alone for longer."""
        newer = find_newer(message) if message is not None else None
        if newer is None:
            logger.info("queue %s: its head is understood here; jobs are taken from it again", queue)
            self._demand.release(queue)
        elif self._demand.holds.hold(queue, newer.job_id, now_s):
            # Another one than that which was given back, and which told operators so.
            why = f"{newer.job_id} {needs_newer(newer.reason)}"
            logger.warning("queue %s waits: job %s", queue, why)
            self._outbox.notes.append(Tell(("HSET", line_key(queue), "waits", why), "tell why a queue waits"))

    def refuse(self, job_id: str, error: AthenaError) -> None:
        """Ends a job that cannot be run; one that an inference thread already has goes on."""
        job = self._held.get(job_id)
        if job is not None and job.is_undelivered:
            job.refuse(error)
            self._outbox.ended.append(job)

    def hand_back(self, job_id: str) -> None:
        """Gives a job back that nobody here takes; one that an inference thread already has goes on."""
        job = self._held.get(job_id)
        if job is not None and job.is_undelivered:
            self._return(job)

    def _return(self, job: HeldJob) -> None:
        self._held.drop(job)
        self._outbox.returned.append(job)


def _work(job: HeldJob, message: JobMessage) -> BatchJob:
    taken = job.taken
    # Redis says how much time is left, not until when: its clock is not this host's.
    start_by_s = job.taken_s + taken.start_within_s
    return BatchJob(
        taken.job_id,
        message,
        taken.runs_alone,
        start_by_s,
        job.is_urgent,
        is_suspect=taken.is_suspect,
        attempt=taken.attempt,
        came_s=job.taken_s,
        trace=_trace(message.trace) if message.trace else None,
    )


def _trace(text: str) -> JobTrace | None:
    carried = Carried.decode(text)
    return JobTrace(carried, time.time_ns()) if carried is not None else None


def needs_newer(reason: str) -> str:
    """Returns why a queue waits for a newer worker, as operators read it."""
    return f"{NEEDS_NEWER_WORKER}: {reason}"
