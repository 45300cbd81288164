"""What one worker process holds, and its exchange with Redis: ended jobs out, new jobs in, one round trip."""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from celery.exceptions import WorkerShutdown
from redis.exceptions import RedisError

from athena.errors import AthenaError, CanceledError, ExpiredError, NewerMessageError, RequestError
from athena.fleet.launch import EX_BROKEN, EX_RECYCLED
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import why_newer
from athena.jobs.message import JobMessage
from athena.store.keys import bell_key, line_key
from athena.store.lease import (
    Draw,
    ForeignLimits,
    TakenJob,
    acquit_command,
    canceled_command,
    finish_command,
    give_back_command,
    progress_command,
    reconcile_command,
    reconciled_jobs,
    start_command,
    take_command,
    taken_jobs,
)
from athena.store.link import BlockingLink
from athena.store.scripts import Command
from workers.batching.batcher import Batcher
from workers.batching.jobs import BatchJob
from workers.lease.demand import Demand
from workers.lease.held_jobs import Callback, HeldJob, HeldJobs
from workers.lease.outbox import Outbox, Step, finish_parts, outcome_of, ticket
from workers.lease.recycling import Wear
from workers.lease.slots import Slots
from workers.lease.take_order import TakeOrder

logger = logging.getLogger(__name__)

#: A job's start is told to Redis and to Flower when it still runs after this long; shorter ones tell all at
#: their end.
ANNOUNCE_AFTER_S = 0.05

#: How long to leave Redis alone after it has refused a command; it is full, or still loading.
REFUSED_PAUSE_S = 1.0

#: After so many refusals, one each pause, a job's outcome is given up: its keys are not what they should be.
MAX_REFUSALS = 60

#: Exit status of a worker that was fenced.
EX_FENCED = 70

#: The bell by which a worker ends its own wait is gone after so long; nobody may hear it any more.
OWN_BELL_TTL_S = 5

#: Guesses of a call's end that differ by less are the same.
WAKE_TOLERANCE_S = 0.001

#: So often the jobs held here and those that Redis counts as held here are compared.
RECONCILE_S = 10.0

#: So often a worker that ends looks whether its last calls have ended, and tells again what was not heard.
DRAIN_STEP_S = 0.1

#: Why a job went back that this worker does not understand; the first word of the reason.
NEEDS_NEWER_WORKER = "needs_newer_worker"

#: So long a broken process waits for calls that still go on in it.
BROKEN_GRACE_S = 2.0

#: So often it is asked which jobs were canceled, and told how far they are.
ATTEND_S = 0.4


class WorkerSession:
    """The jobs of one worker process."""

    def __init__(
        self,
        entry: WorkerEntry,
        store: BlockingLink,
        batcher: Batcher,
        read_foreign: Callable[[str, object], JobMessage],
        foreign: ForeignLimits,
        wear: Wear,
        urgent_slots: int,
        pulse: Callable[[float, float], None],
        wake_after: Callable[[float], None],
    ) -> None:
        self.entry = entry
        order = TakeOrder(entry.service_id, entry.gpu_type, entry.gpu_id)
        self.demand = Demand(order, Slots(entry.slots, urgent_slots))
        self._foreign = foreign
        self._store = store
        self._batcher = batcher
        self._read_foreign = read_foreign
        self._held = HeldJobs()
        self._outbox = Outbox()
        self._wear = wear
        self._pulse = pulse
        self._wake_after = wake_after
        self._wake_due_s = 0.0
        #: Bells that rang here while no job is wanted; somebody else may be idle.
        self._passed_on: list[str] = []
        #: Why queues wait whose heads were looked at.
        self._heads: list[Command] = []
        self._announced_s = 0.0
        self._attended_s = 0.0
        self._reconciled_s = 0.0
        self._resume_s = 0.0
        self._now_s = 0.0
        #: When Redis answered last that there is nothing to take, or gave out jobs, or when no slot was free.
        self.contact_s = 0.0
        self._is_draining = False
        #: How many takes were sent; each has its number.
        self._takes = 0
        #: How many jobs the wait for bells brings along, and from which queues.
        self._awaited: tuple[int, list[Draw]] | None = None

    @property
    def own_bell(self) -> str:
        """Key of the bell that only this worker hears."""
        return bell_key(self.entry.incarnation)

    def begin_to_wait(self) -> tuple[list[str], Command | None]:
        """Returns the bells that a wait which begins now is to hear, and what Redis does when one has rung.

        It takes the first jobs then: the bell need not come here, nor the take go there, before.
        """
        counts = self._held.open_counts()
        bells = [*map(bell_key, self.demand.begin_to_hear(*counts)), self.own_bell]
        wanted, draw = self.demand.wanted_at_bell(*counts)
        self._awaited = (wanted, draw) if wanted else None
        return bells, self._take_command(wanted, draw) if wanted else None

    def on_bell(
        self, now_s: float, bell: str | None, taken: Any, deliver: Callable[[TakenJob], None]
    ) -> None:
        """A bell rang, or None did in time.

        Args:
            now_s: the time.
            bell: its key.
            taken: what Redis answered to the take of `begin_to_wait`, if there was one, or its refusal.
            deliver: is given each job that was taken.

        Raises:
            WorkerShutdown: the worker was fenced.
        """
        self._now_s = now_s
        is_late = self._until_refill_s(now_s) > 0
        awaited, self._awaited = self._awaited, None
        self.demand.hear(bell is not None)
        if awaited is not None and not isinstance(taken, Exception):
            self._admit(*awaited, deliver, taken, is_late)
            return
        if awaited is not None:
            # The next turn takes, and loads the scripts that this Redis may not know.
            logger.info("Redis did not take jobs with the bell: %s", taken)
        # A take rings again where it leaves jobs; without one, that is left to this worker.
        if bell is not None and bell != self.own_bell and is_late:
            self._passed_on.append(bell)

    def on_wait_refused(self, now_s: float, error: Exception) -> None:
        """Redis did not let this worker wait for bells; it is asked again a moment later."""
        logger.error("Redis refused to let this worker wait for jobs: %s", error)
        self._now_s = now_s
        self._leave_redis_alone()

    def _leave_redis_alone(self) -> None:
        self._resume_s = self._now_s + REFUSED_PAUSE_S
        self._wake_after(REFUSED_PAUSE_S)

    @property
    def free_slots(self) -> int:
        """How many more jobs of any lane may be taken."""
        return self.demand.free(*self._held.open_counts())

    def may_wait_for_bells(self, now_s: float) -> bool:
        """Whether an idle or nearly idle worker may block until a bell rings.

        A worker in the middle of a call leaves jobs, and their bells, to others. One that holds the jobs of
        its next call waits for urgent ones alone.
        """
        if now_s < self._resume_s or self._until_refill_s(now_s) > 0 or self._batcher.is_in_doubt:
            return False
        demand, (held, held_urgent) = self.demand, self._held.open_counts()
        if demand.free(held, held_urgent) > 0:
            return not demand.may_find_jobs
        return demand.free_urgent(held) > 0 and not demand.may_find_urgent and self._batcher.has_long_calls

    def turn(self, now_s: float, deliver: Callable[[TakenJob], None]) -> None:
        """Tells Redis what happened and takes new jobs; called on each turn of Celery's loop.

        What came of jobs while they were taken, such as a refusal, is told at once, in a second exchange.

        Raises:
            redis.RedisError: the connection broke; what was to be told is told on a later turn.
            WorkerShutdown: the worker was fenced, or is to be replaced.
        """
        # First, so that the loop shows that it turns also while its exchanges fail.
        self._pulse(now_s, self.contact_s)
        self._batcher.end_overdue_check(now_s)
        self._exchange(now_s, deliver)
        while self._has_more_to_exchange and now_s >= self._resume_s:
            self._exchange(now_s, deliver)
        self._retire_if_broken()
        self._wake_for_refill(now_s)
        demand = self.demand
        if demand.hears_urgent_only and not demand.may_find_jobs and self.free_slots > 0:
            # It would not hear of other jobs until its wait for urgent ones is over.
            demand.hears_urgent_only = False
            self._ring_own_bell()

    @property
    def _has_more_to_exchange(self) -> bool:
        return bool(self._outbox.ended or self._outbox.returned or self._must_look_for_urgent)

    def _exchange(self, now_s: float, deliver: Callable[[TakenJob], None]) -> None:
        self._now_s = now_s
        self._collect()
        started = self._newly_started(now_s)
        outbox = self._outbox
        wanted, draw = self._wanted(now_s)
        looks = [] if self._is_draining else self.demand.holds.due(now_s)
        attends = bool(self._held) and now_s - self._attended_s >= ATTEND_S
        outbox.must_reconcile = outbox.must_reconcile or now_s - self._reconciled_s >= RECONCILE_S
        reconciles = self._may_reconcile
        has_news = outbox.ended or outbox.returned or started or self._passed_on or self._heads
        is_idle = not (has_news or wanted or attends or reconciles or looks)
        # A full worker asks for nothing, and must not be taken for deaf.
        if not self.free_slots:
            self.contact_s = now_s
        if is_idle or now_s < self._resume_s:
            return
        steps = [
            *self._tell_steps(started),
            *(self._attend_steps() if attends else ()),
            *self._pass_on_steps(),
            *self._look_steps(looks),
            *self._take_steps(wanted, draw, deliver),
        ]
        try:
            replies = self._store.run([step.command for step in steps])
        except RedisError:
            # What was carried out is not known; Redis may count jobs as held here that never came.
            outbox.must_reconcile = True
            raise
        # Made before the replies are read: a job that is refused as it is taken goes into the next exchange.
        self._outbox = Outbox(must_reconcile=outbox.must_reconcile and not reconciles)
        for step, reply in zip(steps, replies, strict=True):
            if isinstance(reply, Exception):
                logger.error("Redis refused to %s: %s", step.purpose, reply)
                self._outbox.keep(step)
                self._leave_redis_alone()
            else:
                step.read(reply)
        self._tell_celery(started, [job for job in outbox.ended if job not in self._outbox.ended])
        self._retire_if_worn()

    def _wake_for_refill(self, now_s: float) -> None:
        """Sees to it that this worker looks for jobs when its call is nearly over."""
        due_s = now_s + self._until_refill_s(now_s)
        if due_s > now_s and abs(due_s - self._wake_due_s) > WAKE_TOLERANCE_S:
            self._wake_due_s = due_s
            self._wake_after(due_s - now_s)

    def _ring_own_bell(self) -> None:
        self._store.run([("LPUSH", self.own_bell, 1), ("EXPIRE", self.own_bell, OWN_BELL_TTL_S)])

    def _until_refill_s(self, now_s: float) -> float:
        return 0.0 if self._is_draining else self._batcher.until_refill_s(now_s)

    @property
    def _may_reconcile(self) -> bool:
        """Whether it is time to, and Redis does not count jobs as held here that are still on their way."""
        return self._outbox.must_reconcile and self._awaited is None

    @property
    def _must_look_for_urgent(self) -> bool:
        """Whether all slots were just filled with the high lane perhaps not empty."""
        if self._is_draining or not self.demand.may_find_urgent:
            return False
        held, held_urgent = self._held.open_counts()
        is_full = self.demand.free(held, held_urgent) <= 0 < self.demand.free_urgent(held)
        return is_full and self._until_refill_s(self._now_s) <= 0

    def _wanted(self, now_s: float) -> tuple[int, list[Draw]]:
        """Returns how many jobs to ask for, and from which queues."""
        if self._until_refill_s(now_s) > 0 or self._batcher.is_in_doubt:
            return 0, []
        return self.demand.wanted(*self._held.open_counts())

    def _tell_steps(self, started: list[HeldJob]) -> Iterator["Step"]:
        entry, outbox = self.entry, self._outbox
        # Before all others: jobs that are finished before would seem lost, those that are taken before would
        # go back. Those in the outbox are named too, for their own commands say how they go back.
        if self._may_reconcile:
            command = reconcile_command(entry.incarnation, map(ticket, (*self._held, *outbox.returned)))
            yield Step("reconcile", command, self._read_reconciled, reconciles=True)
        if started:
            command = start_command(entry.gpu_type, entry.name, map(ticket, started))
            yield Step("mark jobs as running", command, partial(_read_starts, started))
        for part in finish_parts(outbox.ended):
            jobs = [(*ticket(job), outcome_of(job)) for job in part]
            command = finish_command(entry.incarnation, entry.gpu_type, entry.name, jobs)
            yield Step("finish jobs", command, partial(self._read_verdicts, part), ended=part)
        ordinary = [job for job in outbox.returned if not (job.needs_newer or job.spoiled)]
        if ordinary:
            command = give_back_command(entry.incarnation, map(ticket, ordinary))
            yield Step("return jobs", command, _ignore, returned=ordinary)
        spoiled = [job for job in outbox.returned if job.spoiled]
        if spoiled:
            command = acquit_command(entry.incarnation, spoiled[0].spoiled, map(ticket, spoiled))
            yield Step("return what a broken process failed", command, _ignore, returned=spoiled)
        for job in outbox.returned:
            if job.needs_newer:
                command = give_back_command(entry.incarnation, [ticket(job)], job.needs_newer)
                yield Step("return a job for a newer worker", command, _ignore, returned=[job])

    def _attend_steps(self) -> Iterator["Step"]:
        """Asks which jobs were canceled, and tells how far they are."""
        self._attended_s = self._now_s
        yield Step("ask for canceled jobs", canceled_command(self.entry.incarnation), self._read_canceled)
        moved = self._held.take_moved()
        if moved:
            command = progress_command((*ticket(job), str(job.told_progress)) for job in moved)
            yield Step("tell progress", command, _ignore)

    def _pass_on_steps(self) -> Iterator["Step"]:
        # Not kept in the outbox: a bell that is lost with the connection costs a second, and no job.
        for bell in self._passed_on:
            yield Step("pass a bell on", ("LPUSH", bell, 1), _ignore)
        self._passed_on = []

    def _look_steps(self, queues: Sequence[str]) -> Iterator["Step"]:
        for command in self._heads:
            yield Step("tell why a queue waits", command, _ignore)
        self._heads = []
        for queue in queues:
            read = partial(self._read_head, queue)
            # Jobs are pushed on the left and taken from the right, so the last item is the head.
            yield Step("look at the head of a queue", ("LINDEX", queue, -1), read)

    def _read_head(self, queue: str, message: bytes | None) -> None:
        """Takes from a queue again, or leaves it alone for longer."""
        job_id, reason = why_newer(message) if message is not None else ("", "")
        if not job_id:
            logger.info("queue %s: its head is understood here; jobs are taken from it again", queue)
            self.demand.release(queue)
        elif self.demand.holds.hold(queue, job_id, self._now_s):
            # Another one than that which was given back, and which told operators so.
            logger.warning("queue %s waits: job %s %s", queue, job_id, needs_newer(reason))
            self._heads.append(("HSET", line_key(queue), "waits", f"{job_id} {needs_newer(reason)}"))

    def _take_steps(
        self, wanted: int, draw: list[Draw], deliver: Callable[[TakenJob], None]
    ) -> Iterator["Step"]:
        if wanted:
            command = self._take_command(wanted, draw)
            yield Step("take jobs", command, partial(self._admit, wanted, draw, deliver))

    def _take_command(self, wanted: int, draw: list[Draw]) -> Command:
        self._takes += 1
        return take_command(self.entry.incarnation, draw, wanted, self._foreign, self._takes)

    def _read_canceled(self, reply: Any) -> None:
        self._held.cancel(job_id.decode() for job_id in reply)

    def _read_reconciled(self, reply: Any) -> None:
        self._reconciled_s = self._now_s
        returned, gone = reconciled_jobs(reply)
        if returned:
            logger.warning("returned %d jobs whose take was lost on the way", len(returned))
        # Redis has lost its last second, and they are in their queues again.
        for job_id in self._held.lose(gone):
            logger.warning("job %s is not held here any more", job_id)

    def _retire_if_worn(self) -> None:
        reason = self._wear.reason(self._now_s)
        if reason and not self._is_draining:
            logger.warning("this worker wants to be replaced: %s", reason)
            raise WorkerShutdown(EX_RECYCLED)

    def _retire_if_broken(self) -> None:
        if self._batcher.breakage is not None and not self._is_draining:
            raise WorkerShutdown(EX_BROKEN)

    def _read_verdicts(self, jobs: list[HeldJob], verdicts: Any) -> None:
        for job, verdict in zip(jobs, verdicts, strict=True):
            if verdict not in (0, 1) and job.refusals < MAX_REFUSALS:
                logger.error("job %s could not be finished: %r; trying again", job.taken.job_id, verdict)
                job.refusals += 1
                self._outbox.ended.append(job)
                self._leave_redis_alone()
                continue
            self._held.drop(job)
            self._wear.count()
            if verdict == 0:
                logger.info("job %s ended elsewhere before; its answer is dropped", job.taken.job_id)
            elif verdict != 1:
                logger.error("job %s could not be finished and is given up: %r", job.taken.job_id, verdict)

    def _collect(self) -> None:
        for work in self._batcher.collect():
            job = self._held.holder_of(work)
            if job is None:
                logger.info(
                    "job %s was taken again meanwhile; the end of its earlier take is dropped", work.job_id
                )
                continue
            job.outcome = work.outcome
            if work.is_lost:
                self._let_go(job)
            elif work.spoiled:
                self._spoil(job)
            else:
                self._outbox.ended.append(job)

    def _spoil(self, job: HeldJob) -> None:
        """Returns a job that a broken process failed; the supervisor passes on those that broke it."""
        breakage = self._batcher.breakage
        if breakage is None or job.taken.job_id not in breakage.blamed:
            self._return(job)

    def _let_go(self, job: HeldJob) -> None:
        """Drops a job that went back to its queue: who has it now tells how it ends."""
        self._held.drop(job)
        self._tell_celery([], [job])

    def _newly_started(self, now_s: float) -> list[HeldJob]:
        if now_s - self._announced_s < ANNOUNCE_AFTER_S:
            return []
        self._announced_s = now_s
        return self._held.newly_started()

    def _admit(
        self,
        wanted: int,
        draw: list[Draw],
        deliver: Callable[[TakenJob], None],
        reply: Any,
        is_late: bool = False,
    ) -> None:
        taken = taken_jobs(reply)
        if taken is None:
            logger.critical("this worker was fenced: its supervisor or a gateway took it for dead")
            raise WorkerShutdown(EX_FENCED)
        self.demand.note(wanted, draw, [job.queue for job in taken])
        self.contact_s = self._now_s
        for job in taken:
            if self._held.add(job, self._now_s):
                logger.warning("job %s is given out again: Redis went back to an older state", job.job_id)
                # What else is held here may have gone back to its queue as well.
                self._outbox.must_reconcile = True
        for job in taken:
            deliver(job)
        if is_late or self.demand.is_urgent_only(draw):
            self._return_late(taken)

    def _return_late(self, taken: Sequence[TakenJob]) -> None:
        """Returns jobs that have just missed the next call: another worker's is over sooner."""
        if self._until_refill_s(self._now_s) <= 0:
            return
        for job in (self._held.get(item.job_id) for item in taken):
            if job is not None and job.work is not None and self._batcher.withdraw(job.work):
                self._return(job)
                self.demand.note_returned()

    def _return(self, job: HeldJob) -> None:
        self._held.drop(job)
        self._outbox.returned.append(job)

    def _tell_celery(self, started: list[HeldJob], ended: list[HeldJob]) -> None:
        for job in started:
            job.is_announced = True
            if job.on_started is not None:
                job.on_started()
        for job in ended:
            if job.on_ended is not None:
                job.on_ended(job.outcome)

    def accept(self, job_id: str, argument: Any, on_started: Callback, on_ended: Callback) -> None:
        """Hands a job to the inference threads.

        Args:
            job_id: the task's id.
            on_started: called when the job goes on for so long that its start is worth telling.
            on_ended: called with the outcome when Redis has it.
            argument: what the task's single argument is: our own message, or the envelope of a caller who
                used send_task.
        """
        job = self._held.get(job_id)
        if job is None or not job.is_undelivered:
            logger.warning("job %s is not held here any more, or its task came twice", job_id)
            return
        job.on_started, job.on_ended = on_started, on_ended
        try:
            if isinstance(argument, dict) and "v" in argument:
                message = JobMessage.decode(argument)
            else:
                message = self._read_foreign(job_id, argument)
        except NewerMessageError as error:
            self.pass_up(job_id, error)
            return
        except AthenaError as error:
            self.refuse(job_id, error)
            return
        except Exception:
            logger.exception("job %s cannot be read", job_id)
            text = "the message is malformed; the worker's log holds the details"
            self.refuse(job_id, RequestError(text))
            return
        # Redis says how much time is left, not until when: its clock is not this host's.
        start_by_s = job.taken_s + job.taken.start_within_s
        taken = job.taken
        job.work = BatchJob(
            job_id, message, taken.runs_alone, start_by_s, job.is_urgent, is_suspect=taken.is_suspect
        )
        self._batcher.put(job.work)

    def pass_up(self, job_id: str, error: NewerMessageError) -> None:
        """Gives a job back that only a newer worker can read, and leaves its queue alone for a while."""
        job = self._held.get(job_id)
        if job is None or not job.is_undelivered:
            return
        if not why_newer(job.taken.message)[0]:
            # Another client's: who looks at the head of the queue would not leave it there.
            self.refuse(job_id, error)
            return
        queue, job.needs_newer = job.taken.queue, needs_newer(error.message)
        self._return(job)
        if self.demand.holds.hold(queue, job_id, self._now_s):
            logger.warning("queue %s waits: job %s %s", queue, job_id, job.needs_newer)

    def refuse(self, job_id: str, error: AthenaError) -> None:
        """Ends a job that cannot be run; one that an inference thread already has goes on."""
        job = self._held.get(job_id)
        if job is not None and job.is_undelivered:
            job.refuse(error)
            self._outbox.ended.append(job)

    def on_acknowledged(self, job_id: str) -> None:
        """Ends a job that Celery dropped without running it: it was revoked."""
        self.refuse(job_id, CanceledError("canceled: the task was revoked"))

    def on_expired(self, job_id: str) -> None:
        """Ends a job whose task had an `expires` that has passed."""
        self.refuse(job_id, ExpiredError("the task's time to start has passed"))

    def on_connection_lost(self) -> None:
        """Celery forgets the tasks that it has not handed to its pool: so must we."""
        self._held.pop_undelivered()
        self._store.break_off()
        self._outbox.must_reconcile = True
        # No answer comes any more that the comparison would have to wait for.
        self._awaited = None
        self.demand.forget()

    def drain(self, grace_s: float) -> None:
        """Finishes what runs and returns the rest; called once, when Celery's loop has ended."""
        self._is_draining = True
        if self._batcher.breakage is not None:
            grace_s = min(grace_s, BROKEN_GRACE_S)
        until_s = time.monotonic() + grace_s
        for job in map(self._held.holder_of, self._batcher.close()):
            if job is not None:
                self._return(job)
        self._outbox.returned += self._held.pop_undelivered()
        self.demand.end()
        # What goes back goes now: others may run it while the last calls go on here.
        self._tell_quietly()
        self._let_go_of_bells()
        if not self._see_out(until_s):
            logger.error("an inference call did not end within %s s", grace_s)
        untold = len(self._outbox.ended) + len(self._outbox.returned)
        if untold:
            logger.error("cannot tell Redis what became of %d jobs; they go back to their queues", untold)

    def _see_out(self, until_s: float) -> bool:
        """Tells how the last calls end, until Redis has taken it; returns whether all of them ended."""
        while True:
            left_s = until_s - time.monotonic()
            has_ended = self._batcher.join(max(0.0, min(DRAIN_STEP_S, left_s)))
            self._tell_quietly()
            is_told = not (self._outbox.ended or self._outbox.returned)
            if left_s <= 0 or (has_ended and is_told):
                return has_ended
            # There is nothing to join any more, and Redis must not be asked without a pause.
            if has_ended:
                time.sleep(DRAIN_STEP_S)

    def _let_go_of_bells(self) -> None:
        """Ends the wait for bells, which nobody reads any more; the jobs that it brings along go back."""
        try:
            self._ring_own_bell()
        except RedisError as error:
            logger.warning("cannot end the wait for bells: %s", error)
        if self._awaited is not None:
            # The bell has let the take run that waits behind it; the comparison returns its jobs.
            self._awaited = None
            self._outbox.must_reconcile = True
            self._tell_quietly()

    def _tell_quietly(self) -> None:
        try:
            self.turn(time.monotonic(), lambda job: None)
        except RedisError as error:
            # The next attempt is made over a new connection.
            logger.info("cannot tell Redis how the last jobs ended: %s", error)


def _read_starts(jobs: Sequence[HeldJob], verdicts: Any) -> None:
    for job, is_ours in zip(jobs, verdicts, strict=True):
        if not is_ours and job.work is not None:
            job.work.is_canceled = True


def needs_newer(reason: str) -> str:
    """Returns why a queue waits for a newer worker, as operators read it."""
    return f"{NEEDS_NEWER_WORKER}: {reason}"


def _ignore(reply: Any) -> None:
    """For commands whose answer changes nothing here."""
