"""A worker's exchange with Redis: what happened goes out, new jobs come in, in one round trip."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, assert_never

from redis.exceptions import RedisError

from athena.store.lease import finished_jobs, reconciled_jobs, started_jobs
from athena.store.link import BlockingLink
from athena.store.scripts import Command
from workers.lease.agenda import Agenda
from workers.lease.arrivals import Arrivals, Deliver
from workers.lease.departures import Departures, tell_celery
from workers.lease.held_jobs import HeldJob, HeldJobs
from workers.lease.outbox import Outbox
from workers.lease.steps import (
    AskCanceled,
    Finish,
    GiveBack,
    LookAtHead,
    Reconcile,
    Start,
    Step,
    Take,
    Tell,
)

logger = logging.getLogger(__name__)

#: How long to leave Redis alone after it has refused a command; it is full, or still loading.
REFUSED_PAUSE_S = 1.0

#: Sends the commands of an exchange, and returns what Redis answers.
Send = Callable[[list[Command]], list[Any]]


class Exchange:
    """Carries out agendas: sends their commands, and reads what Redis answers.

    Args:
        wake_after: gives the worker's loop a turn after so many seconds.

    Attributes:
        contact_s: when Redis answered last that there is nothing to take, or gave out jobs, or when no slot
            was free.
    """

    def __init__(
        self,
        link: BlockingLink,
        held: HeldJobs,
        outbox: Outbox,
        agenda: Agenda,
        arrivals: Arrivals,
        departures: Departures,
        wake_after: Callable[[float], None],
    ) -> None:
        self._link = link
        self._held = held
        self._outbox = outbox
        self._agenda = agenda
        self._arrivals = arrivals
        self._departures = departures
        self._wake_after = wake_after
        self._resume_s = 0.0
        self.contact_s = 0.0

    def is_paused(self, now_s: float) -> bool:
        """Whether Redis is left alone for a moment."""
        return now_s < self._resume_s

    def pause(self, now_s: float) -> None:
        """Leaves Redis alone for a moment: it has refused a command."""
        self._resume_s = now_s + REFUSED_PAUSE_S
        self._wake_after(REFUSED_PAUSE_S)

    def run(self, now_s: float, may_take: bool, deliver: Deliver, send: Send | None = None) -> bool:
        """Has one exchange, and returns True, if there is something to exchange.

        Args:
            now_s: the time.
            may_take: whether the inference threads can do with jobs.
            deliver: is given each job that was taken.
            send: sends the commands and returns their replies; None for the session's own connection.

        Raises:
            redis.RedisError: the connection broke; what was to be told is told by a later exchange.
            WorkerShutdown: the worker was fenced.
        """
        steps = [] if self.is_paused(now_s) else self._agenda.steps(now_s, may_take)
        if not steps:
            return False
        try:
            replies = (send or self._link.run)([step.command for step in steps])
        except RedisError:
            # What was carried out is not known; Redis may count jobs as held here that never came.
            self._outbox.must_reconcile = True
            raise
        told = self._outbox.ended
        # Before the replies are read: a job that is refused as it is taken goes into the next exchange.
        self._outbox.clear()
        for step, reply in zip(steps, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("Redis refused to %s: %s", step.purpose, reply)
                self._outbox.keep(step)
                self.pause(now_s)
            else:
                self._read(now_s, step, reply, deliver)
        started = [job for step in steps if isinstance(step, Start) for job in step.jobs]
        tell_celery(started, [job for job in told if job not in self._outbox.ended])
        return True

    def admit(self, now_s: float, take: Take, reply: Any, deliver: Deliver, is_late: bool = False) -> None:
        """Holds what a take has brought (see `Arrivals.admit`)."""
        self.contact_s = now_s
        self._arrivals.admit(now_s, take, reply, deliver, is_late)

    def _read(self, now_s: float, step: Step, reply: Any, deliver: Deliver) -> None:
        match step:
            case Take():
                self.admit(now_s, step, reply, deliver)
            case Finish(jobs=jobs):
                if self._departures.read_finished(jobs, finished_jobs(reply)):
                    self.pause(now_s)
            case Start(jobs=jobs):
                _read_started(jobs, started_jobs(reply))
            case AskCanceled():
                self._held.cancel(job_id.decode() for job_id in reply)
            case Reconcile():
                self._agenda.note_reconciled(now_s)
                self._read_reconciled(reply)
            case LookAtHead(queue=queue):
                self._arrivals.look_at_head(now_s, queue, reply)
            case GiveBack() | Tell():
                pass
            case _:
                assert_never(step)

    def _read_reconciled(self, reply: Any) -> None:
        returned, gone = reconciled_jobs(reply)
        if returned:
            logger.warning("returned %d jobs whose take was lost on the way", len(returned))
        # Redis has lost its last second, and they are in their queues again.
        for job_id in self._held.lose(gone):
            logger.warning("job %s is not held here any more", job_id)


def _read_started(jobs: Sequence[HeldJob], are_ours: list[bool]) -> None:
    for job, is_ours in zip(jobs, are_ours, strict=True):
        if not is_ours and job.work is not None:
            job.work.is_canceled = True
