"""The threads that run the jobs of a worker, in batches.

Knows neither Celery nor Redis: jobs come in by `put`, ended ones go out by `collect`.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from athena.fleet.progress_board import ProgressBoard
from athena.jobs.record import Outcome
from athena.plain_text import one_line
from workers.batching.batches import Batches
from workers.batching.call_clock import CallClock
from workers.batching.ended_jobs import EndedJobs
from workers.batching.job_trace import begin_call, end_call
from workers.batching.jobs import BatchJob
from workers.batching.model import BatchOptions, Model
from workers.batching.outcomes import outcome_of_error, unexpected
from workers.batching.preparation import Preparation
from workers.batching.soundness import Soundness
from workers.batching.suspicion import Breakage

logger = logging.getLogger(__name__)

#: A call that takes longer is worth a wait for urgent jobs.
LONG_CALL_S = 0.02


class Lead(Protocol):
    """What an inference thread does itself that Celery's loop does else: tells of ends, waits for jobs."""

    def serve(self) -> bool:
        """Tells, and waits until there is something to look at; returns whether it may be called again."""

    def rouse(self) -> None:
        """Ends the wait of the thread that serves."""


class Batcher:
    """Takes what is there, up to a batch, and runs it.

    Args:
        on_ended: called from an inference thread when there is something to `collect`.
    """

    def __init__(
        self,
        model: Model,
        options: BatchOptions,
        progress: ProgressBoard,
        on_ended: Callable[[], None],
    ) -> None:
        self._model = model
        self._options = options
        self._progress = progress
        self._batches = Batches(options.max_batch, model.batch_key)
        self._waiting = self._batches.line
        self._ended = EndedJobs(on_ended)
        self._running = 0
        self._is_exclusive = False
        self._clock = CallClock()
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._preparation = Preparation(model.prepare, self._waiting, options.max_batch, lock)
        self._closing = False
        self._soundness = Soundness(model, options, progress, self._ended, self._changed)
        self._lead: Lead | None = None
        #: The thread that serves the lead; None while none does.
        self._away: int | None = None
        #: Whether that was told already that the line has jobs.
        self._is_roused = False
        self.loaded: Future[None] = Future()
        self._threads = [
            threading.Thread(target=self._work, args=(index,), name=f"inference-{index}")
            for index in range(options.threads)
        ]

    def start(self) -> None:
        """Starts the threads; `loaded` tells when the model is there, or why it is not."""
        for thread in self._threads:
            thread.start()

    def put(self, job: BatchJob) -> None:
        """Hands a job to the threads."""
        with self._changed:
            self._waiting.append(job)
            self._changed.notify()
            lead = self._lead_to_rouse()
        if lead is not None:
            lead.rouse()
        self._prepare_next()

    def _prepare_next(self) -> None:
        """Has the inputs of the next call prepared, where there is time for that."""
        # Threads that call beside each other do so themselves. Asked without the lock: of a job that comes as
        # a call begins, one of the two sees both.
        clock = self._clock
        if clock.leaves_time and clock.is_running and self._waiting and self._options.threads == 1:
            self._preparation.wake()

    def _lead_to_rouse(self) -> Lead | None:
        """Returns the lead whose thread is to look at the line, once for each time that it serves."""
        if self._away is None or self._away == threading.get_ident() or self._is_roused:
            return None
        self._is_roused = True
        return self._lead

    def hand_over(self, lead: Lead) -> None:
        """Lets the thread lead while calls are short, where there is one, and no batch waits for company."""
        if self._options.threads == 1 and not self._options.max_wait_ms:
            self._lead = lead

    @property
    def is_on_its_way(self) -> bool:
        """Whether the thread leads, or will look soon whether it is to."""
        return self._away is not None or self._running > 0 or bool(self._waiting)

    def is_overlong(self, now_s: float) -> bool:
        """Whether a call goes on for so long that somebody else has to hear of jobs."""
        return self._clock.is_overlong(now_s)

    def withdraw(self, job: BatchJob) -> bool:
        """Takes a job back that has not started; returns whether that was still possible."""
        with self._changed:
            return self._waiting.remove(job)

    def collect(self) -> list[BatchJob]:
        """Returns the jobs that ended since the last call."""
        return self._ended.collect()

    def until_refill_s(self, now_s: float) -> float:
        """Returns in how many seconds it is time to look for the next call's jobs; 0 for now.

        That is now where calls run beside each other.
        """
        return self._clock.until_refill_s(now_s) if self._options.threads == 1 else 0.0

    @property
    def is_in_doubt(self) -> bool:
        """Whether this process is being checked, or is broken: it wants no more jobs."""
        return self._soundness.is_in_doubt

    @property
    def breakage(self) -> Breakage | None:
        """What is wrong with this process; then no thread starts anything any more."""
        return self._soundness.breakage

    def end_overdue_check(self, now_s: float) -> None:
        """Finds a process broken whose example is not answered in time."""
        self._soundness.end_overdue_check(now_s)

    @property
    def has_long_calls(self) -> bool:
        """Whether an urgent job would notice that it waits for one call more."""
        return self._options.threads == 1 and self._clock.typical_s > LONG_CALL_S

    def close(self) -> list[BatchJob]:
        """Lets the threads end after their current call; returns the jobs that will not be started."""
        with self._changed:
            self._closing = True
            self._preparation.close()
            left = list(self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
        return left

    def join(self, timeout_s: float) -> bool:
        """Waits for the threads; returns whether all have ended."""
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, thread: int) -> None:
        with self._model.surroundings():
            self._serve(thread)

    def _serve(self, thread: int) -> None:
        if thread == 0 and not self._load():
            return
        # Waits, and raises nothing: after a load that failed, the batcher is closed, and no batch comes.
        self.loaded.exception()
        while (batch := self._next_batch()) is not None:
            # Without one, what is kept is waited for, and no other job tells whether this process is sound.
            if not batch:
                self._soundness.check(thread)
            elif not batch[0].is_suspect or self._is_sound_for(thread, batch):
                self._run(thread, batch)
        if thread == 0:
            # Calls of the other threads may still use the model.
            for other in self._threads[1:]:
                other.join()
            # What a broken process would do then nobody knows; it may well crash.
            if self.breakage is None:
                self._model.unload()

    def _load(self) -> bool:
        try:
            self._model.load()
        except BaseException as error:
            # Whatever it is: without a word, who waits for `loaded` would do so for the whole time to load.
            # Closed first, so that the other threads find an end when they hear of it.
            self.close()
            self.loaded.set_exception(error)
            return False
        self.loaded.set_result(None)
        return True

    def _next_batch(self) -> list[BatchJob] | None:
        """Waits for jobs; none means that this process has to be checked, None that the batcher closes."""
        may_lead = True
        while True:
            is_to_lead, batch = self._await_batch(may_lead)
            if not is_to_lead or self._lead is None:
                return batch
            try:
                may_lead = self._lead.serve()
            finally:
                with self._changed:
                    self._away = None

    @property
    def _is_to_lead(self) -> bool:
        """Whether the thread tells of ends itself, and waits for jobs."""
        return self._lead is not None and self._clock.is_short

    def _await_batch(self, may_lead: bool) -> tuple[bool, list[BatchJob] | None]:
        """Returns whether the thread is to lead first, and what `_next_batch` does."""
        with self._changed:
            while True:
                self._drop_unwanted()
                if self.breakage is not None:
                    self._ended.tell(time.monotonic())
                    return False, None
                if self._soundness.begin_check_if_due(is_idle=not self._waiting):
                    self._tell_untold()
                    return False, []
                if self._waiting and self._may_start(self._waiting.head):
                    batch = self._take_batch()
                    # Waiting for company lets go of the lock, and another thread may have emptied the line.
                    if batch:
                        return False, batch
                    continue
                if may_lead and self._is_to_lead and not self._waiting and not self._closing:
                    self._away = threading.get_ident()
                    self._is_roused = False
                    return True, None
                # Before it sleeps: the last ends would wait for the end of another call else.
                self._tell_untold()
                if self._closing and not self._waiting:
                    return False, None
                self._changed.wait()

    def _tell_untold(self) -> None:
        if self._ended.has_untold:
            self._ended.tell(time.monotonic())

    def _may_start(self, job: BatchJob) -> bool:
        is_checking = self._soundness.is_checking
        return not (is_checking or self._is_exclusive or (job.runs_alone and self._running))

    def _take_batch(self) -> list[BatchJob]:
        """Takes the next call's jobs out of the line, after a moment in which others may join them."""
        if self._options.max_wait_ms and self._batches.may_grow:
            self._await_more(time.monotonic() + self._options.max_wait_ms / 1000)
            self._drop_unwanted()
        batch = self._batches.take()
        if batch:
            self._preparation.leave(batch)
            self._running += 1
            self._is_exclusive = batch[0].runs_alone
        return batch

    def _await_more(self, deadline_s: float) -> None:
        while not self._batches.is_full and not self._closing:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                return

    def _drop_unwanted(self) -> None:
        """Ends the jobs at the head of the line that are canceled, lost or overdue."""
        now_s = time.monotonic()
        if not self._batches.has_unwanted(now_s):
            return
        for job, outcome in self._batches.drop_unwanted(now_s):
            self._ended.add(job, outcome)
        self._ended.tell(now_s)

    def _run(self, thread: int, batch: list[BatchJob]) -> None:
        began_s = time.monotonic()
        for job in batch:
            job.is_started = True
            job.began_s = began_s
        # The limit of the first is that of all: jobs of another one have another batch key.
        limit_s = batch[0].message.max_exec_s or self._options.max_exec_s
        self._clock.begin(began_s)
        self._prepare_next()
        # Before the wrapper is called: if an input kills the process at once, nothing else names its job.
        self._progress.begin(thread, began_s, limit_s, [job.job_id for job in batch])
        traces = [job.trace for job in batch if job.trace is not None]
        if traces:
            begin_call(traces, time.time_ns())
        outcomes = self._outcomes(batch)
        if traces:
            end_call(traces, time.time_ns())
        # The one is this call: what is put back is the whole process', so no other may go on.
        if self._running == 1:
            self._model.restore()
        self._progress.end(thread)
        ended_s = time.monotonic()
        self._clock.end(ended_s)
        with self._changed:
            self._soundness.keep_or_end(list(zip(batch, outcomes, strict=True)), began_s, ended_s)
            self._leave_call()
            if self._options.threads > 1:
                self._changed.notify_all()
        if self._is_to_lead and not self._waiting:
            # It tells itself, next.
            self._ended.has_untold = True
        else:
            self._ended.tell_soon(ended_s)

    def _leave_call(self) -> None:
        self._running -= 1
        self._is_exclusive = False

    def _is_sound_for(self, thread: int, batch: list[BatchJob]) -> bool:
        """Whether this process answers its example, so that a job which fails in it now is at fault."""
        reason = self._soundness.ask_example(thread)
        if not reason:
            return True
        with self._changed:
            self._leave_call()
            # They go back without blame: the process was broken before they ran.
            self._ended.add_spoiled(batch, reason)
        self._soundness.find_broken(reason)
        return False

    def _outcomes(self, batch: list[BatchJob]) -> list[Outcome]:
        """Runs a batch; whatever happens, the thread goes on, and each job has an outcome."""
        try:
            outcomes = self._model.run(batch)
            if len(outcomes) == len(batch):
                return outcomes
            text = f"{len(outcomes)} outcomes of {len(batch)} jobs"
        except BaseException as error:
            text = one_line(error)
        logger.error("a call with %d jobs failed: %s", len(batch), text)
        return [outcome_of_error(unexpected(), len(batch))] * len(batch)
