"""The jobs that one worker process holds, as Celery's side of it sees them."""

import logging
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from celery.exceptions import WorkerShutdown

from athena.errors import AthenaError, CanceledError, ExpiredError, NewerMessageError
from athena.fleet.launch import EX_BROKEN, EX_RECYCLED
from athena.fleet.worker_entry import WorkerEntry
from athena.sdk.metrics import take_changes
from athena.store.lease import TakenJob
from athena.store.link import BlockingLink
from athena.store.scripts import Command
from workers.batching.batcher import Batcher
from workers.lease.agenda import Agenda
from workers.lease.arrivals import Arrivals, Deliver, ForeignJobs
from workers.lease.bells import Bells
from workers.lease.departures import Departures
from workers.lease.drain import Drain
from workers.lease.exchange import Exchange, Send
from workers.lease.held_jobs import Callback, HeldJobs
from workers.lease.lead import Lead
from workers.lease.outbox import Outbox
from workers.lease.recycling import Wear
from workers.lease.selection.demand import Demand
from workers.lease.selection.slots import Slots
from workers.lease.selection.take_order import TakeOrder
from workers.lease.steps import Takes
from workers.lease.tally import Tally
from workers.lease.traces import Traces

logger = logging.getLogger(__name__)

#: Guesses of a call's end that differ by less are the same.
WAKE_TOLERANCE_S = 0.001


class LoopHooks(NamedTuple):
    """What a session does to the loop that gives it turns.

    Attributes:
        pulse: shows that it turns: the time, and that of the last contact with Redis.
        wake_after: gives it a turn after so many seconds.
        wake: gives it a turn now, from any thread.
    """

    pulse: Callable[[float, float], None]
    wake_after: Callable[[float], None]
    wake: Callable[[], None] = lambda: None


class WorkerSession:
    """The jobs of one worker process.

    Attributes:
        lock: held by whoever has a turn: Celery's loop, or an inference thread that leads.
    """

    def __init__(
        self,
        entry: WorkerEntry,
        link: BlockingLink,
        batcher: Batcher,
        foreign: ForeignJobs,
        wear: Wear,
        urgent_slots: int,
        loop: LoopHooks,
        traces: Traces | None = None,
    ) -> None:
        self.entry = entry
        order = TakeOrder(entry.service_id, entry.gpu_type, entry.gpu_id)
        self.demand = Demand(order, Slots(entry.slots, urgent_slots))
        self._link = link
        self._batcher = batcher
        self._wear = wear
        self._loop = loop
        self._held = held = HeldJobs()
        self._outbox = outbox = Outbox()
        takes = Takes(entry.incarnation, foreign.limits)
        self._bells = Bells(entry.incarnation, held, self.demand, takes)
        agenda = Agenda(entry, held, outbox, self.demand, self._bells, takes)
        self._arrivals = Arrivals(held, outbox, self.demand, batcher, foreign)
        self._tally = Tally(entry, take_changes)
        self._departures = Departures(held, outbox, batcher, wear, self._tally, traces)
        self._exchange = Exchange(
            link, held, outbox, agenda, self._arrivals, self._departures, loop.wake_after
        )
        self._wake_due_s = 0.0
        self._now_s = 0.0
        self.is_draining = False
        self.lock = threading.RLock()
        self._lead: Lead | None = None
        self._deliver_led: Deliver = _leave

    def let_lead(self, ear: BlockingLink, deliver: Deliver) -> None:
        """Lets an inference thread have exchanges and wait for bells, while calls are short.

        Args:
            ear: a connection for its waits.
            deliver: is given each job that it takes, in its thread.
        """
        self._deliver_led = deliver
        self._lead = Lead(self, ear, self._bells, self._batcher)
        self._batcher.hand_over(self._lead)

    @property
    def own_bell(self) -> str:
        """Key of the bell that only this worker hears."""
        return self._bells.own

    @property
    def free_slots(self) -> int:
        """How many more jobs of any lane may be taken."""
        with self.lock:
            return self.demand.free(*self._held.open_counts())

    def may_wait_for_bells(self, now_s: float) -> bool:
        """Whether an idle or nearly idle worker may block until a bell rings.

        A worker in the middle of a call leaves jobs, and their bells, to others. One that holds the jobs of
        its next call waits for urgent ones alone.
        """
        with self.lock:
            if self._lead is not None and self._lead.keeps_loop_away(now_s):
                return False
            return self._may_wait(now_s)

    def _may_wait(self, now_s: float) -> bool:
        if self._exchange.is_paused(now_s) or not self._may_take(now_s):
            return False
        demand, (held, held_urgent) = self.demand, self._held.open_counts()
        if demand.free(held, held_urgent) > 0:
            return not demand.may_find_jobs
        return demand.free_urgent(held) > 0 and not demand.may_find_urgent and self._batcher.has_long_calls

    def begin_to_wait(self) -> tuple[list[str], Command | None]:
        """Returns the bells that a wait which begins now is to hear, and what Redis does when one has rung.

        It takes the first jobs then: the bell need not come here, nor the take go there, before.
        """
        with self.lock:
            if self._lead is not None:
                self._lead.loop_waits = True
            bells, take = self._bells.begin()
            return bells, take.command if take is not None else None

    def on_bell(self, now_s: float, bell: str | None, taken: Any, deliver: Deliver) -> None:
        """A bell rang, or None did in time.

        Args:
            now_s: the time.
            bell: its key.
            taken: what Redis answered to the take of `begin_to_wait`, if there was one, or its refusal.
            deliver: is given each job that was taken.

        Raises:
            WorkerShutdown: the worker was fenced.
        """
        with self.lock:
            self._end_loop_wait()
            self._hear(now_s, bell, taken, deliver)

    def _end_loop_wait(self) -> None:
        if self._lead is not None:
            self._lead.loop_waits = False

    def _hear(self, now_s: float, bell: str | None, taken: Any, deliver: Deliver) -> None:
        self._now_s = now_s
        is_late = self._until_refill_s(now_s) > 0
        take = self._bells.end(bell is not None)
        if take is not None and not isinstance(taken, Exception):
            self._exchange.admit(now_s, take, taken, deliver, is_late)
            return
        if take is not None:
            # The next turn takes, and loads the scripts that this Redis may not know.
            logger.info("Redis did not take jobs with the bell: %s", taken)
        # A take rings again where it leaves jobs; without one, that is left to this worker.
        if bell is not None and is_late:
            self._bells.miss(bell)

    def on_wait_refused(self, now_s: float, error: Exception) -> None:
        """Redis did not let this worker wait for bells; it is asked again a moment later."""
        logger.error("Redis refused to let this worker wait for jobs: %s", error)
        with self.lock:
            self._end_loop_wait()
            self._now_s = now_s
            self._exchange.pause(now_s)

    def turn(self, now_s: float, deliver: Deliver) -> None:
        """Tells Redis what happened and takes new jobs; called on each turn of Celery's loop.

        What came of jobs while they were taken, such as a refusal, is told at once, in a second exchange.

        Raises:
            redis.RedisError: the connection broke; what was to be told is told on a later turn.
            WorkerShutdown: the worker was fenced, or is to be replaced.
        """
        # First, so that the loop shows that it turns also while its exchanges fail.
        self._loop.pulse(now_s, self._exchange.contact_s)
        self._batcher.end_overdue_check(now_s)
        with self.lock:
            self._turn(now_s, deliver)

    def _turn(self, now_s: float, deliver: Deliver) -> None:
        if self._lead is not None and not self.is_draining:
            self._lead.raise_order()
        self._exchange_all(now_s, deliver)
        self._retire_if_broken()
        self._wake_for_refill(now_s)
        demand = self.demand
        if demand.hears_urgent_only and not demand.may_find_jobs and self.free_slots > 0:
            # It would not hear of other jobs until its wait for urgent ones is over.
            demand.hears_urgent_only = False
            self._link.run(self._bells.ring_own())

    def _exchange_all(self, now_s: float, deliver: Deliver, send: Send | None = None) -> None:
        self._exchange_once(now_s, deliver, send)
        while (self._outbox or self._must_look_for_urgent(now_s)) and not self._exchange.is_paused(now_s):
            self._exchange_once(now_s, deliver)

    def _exchange_once(self, now_s: float, deliver: Deliver, send: Send | None = None) -> None:
        self._now_s = now_s
        self._departures.collect()
        counted = self._tally.due(now_s, self.is_draining)
        if counted is not None:
            self._outbox.notes.append(counted)
        # A full worker asks for nothing, and must not be taken for deaf.
        if not self.free_slots:
            self._exchange.contact_s = now_s
        # What is sent so has a take of its own behind it.
        may_take = send is None and self._may_take(now_s)
        if self._exchange.run(now_s, may_take, deliver, send):
            self._retire_if_worn()

    def _must_look_for_urgent(self, now_s: float) -> bool:
        """Whether all slots were just filled with the high lane perhaps not empty."""
        if self.is_draining or not self.demand.may_find_urgent:
            return False
        held, held_urgent = self._held.open_counts()
        is_full = self.demand.free(held, held_urgent) <= 0 < self.demand.free_urgent(held)
        return is_full and self._until_refill_s(now_s) <= 0

    def _may_take(self, now_s: float) -> bool:
        """Whether the inference threads can do with jobs."""
        return self._until_refill_s(now_s) <= 0 and not self._batcher.is_in_doubt

    def _until_refill_s(self, now_s: float) -> float:
        return 0.0 if self.is_draining else self._batcher.until_refill_s(now_s)

    def _wake_for_refill(self, now_s: float) -> None:
        """Sees to it that this worker looks for jobs when its call is nearly over."""
        due_s = now_s + self._until_refill_s(now_s)
        if due_s > now_s and abs(due_s - self._wake_due_s) > WAKE_TOLERANCE_S:
            self._wake_due_s = due_s
            self._loop.wake_after(due_s - now_s)

    def _retire_if_worn(self) -> None:
        reason = self._wear.reason(self._now_s)
        if reason and not self.is_draining:
            logger.warning("this worker wants to be replaced: %s", reason)
            raise WorkerShutdown(EX_RECYCLED)

    def _retire_if_broken(self) -> None:
        if self._batcher.breakage is not None and not self.is_draining:
            raise WorkerShutdown(EX_BROKEN)

    # What a thread that leads does (see `workers.lease.lead`); it holds the lock.

    def may_lead(self, now_s: float) -> bool:
        """Whether a thread may have a turn, and has room for jobs."""
        if self.is_draining or self._exchange.is_paused(now_s) or self._batcher.is_in_doubt:
            return False
        # Those that have ended take no slot.
        self._departures.collect()
        return self.free_slots > 0

    def must_look(self) -> bool:
        """Whether a queue may hold jobs without a bell that rings."""
        return self.demand.may_find_jobs

    def exchange(self, now_s: float, send: Send | None) -> None:
        """Has an exchange: over the session's connection, with a take, or as `send` does, without one."""
        self._exchange_all(now_s, self._deliver_led, send)

    def hear(self, now_s: float, bell: str | None, taken: Any) -> None:
        """A bell rang for a thread, or None did in time; with it, what was taken."""
        self._hear(now_s, bell, taken, self._deliver_led)

    def lose_wait(self) -> None:
        """A thread's wait for bells has broken off; Redis may have given out jobs with it."""
        if self._lead is None or not self._lead.loop_waits:
            self._bells.awaited = None
        self._outbox.must_reconcile = True

    def ring_own(self) -> None:
        """Ends the worker's own wait for bells."""
        self._link.run(self._bells.ring_own())

    def wake_loop(self, after_s: float = 0) -> None:
        """Gives Celery's loop a turn."""
        if after_s:
            self._loop.wake_after(after_s)
        else:
            self._loop.wake()

    # What Celery's side does with a job.

    def accept(self, job_id: str, argument: Any, on_started: Callback, on_ended: Callback) -> None:
        """Hands a job to the inference threads.

        Args:
            job_id: the task's id.
            on_started: called when the job goes on for so long that its start is worth telling.
            on_ended: called with the outcome when Redis has it.
            argument: what the task's single argument is: our own message, or the envelope of a caller who
                used send_task.
        """
        with self.lock:
            try:
                self._arrivals.accept(job_id, argument, on_started, on_ended)
            except NewerMessageError as error:
                self.pass_up(job_id, error)

    def pass_up(self, job_id: str, error: NewerMessageError) -> None:
        """Gives a job back that only a newer worker can read, and leaves its queue alone for a while."""
        with self.lock:
            self._arrivals.pass_up(self._now_s, job_id, error)

    def refuse(self, job_id: str, error: AthenaError) -> None:
        """Ends a job that cannot be run; one that an inference thread already has goes on."""
        with self.lock:
            self._arrivals.refuse(job_id, error)

    def hand_back(self, job_id: str) -> None:
        """Gives a job back that Celery does not take."""
        with self.lock:
            self._arrivals.hand_back(job_id)

    def on_acknowledged(self, job_id: str) -> None:
        """Ends a job that Celery dropped without running it: it was revoked."""
        self.refuse(job_id, CanceledError("canceled: the task was revoked"))

    def on_expired(self, job_id: str) -> None:
        """Ends a job whose task had an `expires` that has passed."""
        self.refuse(job_id, ExpiredError("the task's time to start has passed"))

    def on_connection_lost(self) -> None:
        """Celery forgets the tasks that it has not handed to its pool: so must we."""
        with self.lock:
            self._held.pop_undelivered()
            self._link.break_off()
            self._outbox.must_reconcile = True
            if self._lead is None or self._lead.loop_waits:
                # No answer comes any more that the comparison would have to wait for.
                self._bells.awaited = None
            self._end_loop_wait()
            self.demand.forget()

    def drain(self, grace_s: float) -> None:
        """Finishes what runs and returns the rest; called once, when Celery's loop has ended."""
        with self.lock:
            # From now on no thread has turns, so what follows needs no lock, and must hold none: it waits for
            # threads.
            self.is_draining = True
        Drain(
            self._link, self._batcher, self._held, self._outbox, self.demand, self._bells, self._last_turn
        ).run(grace_s)

    def _last_turn(self, now_s: float) -> None:
        self.turn(now_s, _leave)


def _leave(job: TakenJob) -> None:
    """Hands a job to nobody: it stays undelivered."""
