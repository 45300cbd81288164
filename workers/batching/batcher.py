"""The threads that run the jobs of a worker, in batches.

Knows neither Celery nor Redis: jobs come in by `put`, ended ones go out by `collect`.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from athena.errors import AthenaError, CanceledError, ExpiredError, InternalError
from athena.fleet.progress_board import ProgressBoard
from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from athena.plain_text import one_line
from athena.protocol.enums import JobState
from workers.batching.call_clock import CallClock
from workers.batching.jobs import BatchJob
from workers.batching.suspicion import Breakage, Ended, Suspicion
from workers.batching.waiting_line import Line

logger = logging.getLogger(__name__)

#: A call that takes longer is worth a wait for urgent jobs.
LONG_CALL_S = 0.02

#: A check that takes so much longer than a call may is ended by the supervisor: this process did not do it.
CHECK_GRACE_S = 10.0

#: While jobs wait, the ends of short calls are told together: each telling keeps the next call waiting.
TELL_EVERY_S = 0.001


@dataclass(frozen=True)
class BatchOptions:
    """How jobs are put together (see `athena.ability.manifest.WorkerOptions`)."""

    max_batch: int = 1
    max_wait_ms: float = 0
    threads: int = 1
    max_exec_s: float = 60
    max_failures: int = 3


@dataclass(frozen=True)
class Model:
    """What the threads run.

    Attributes:
        load: runs first, on the first thread, so that a model is loaded where it will run.
        batch_key: jobs of the same key may share a call; None for one that may not.
        run: runs jobs in one inference call and returns one outcome for each. What it raises fails them all.
        unload: runs last, on the first thread.
        surroundings: what each thread has around its whole life.
        restore: runs after calls, while no other runs.
        has_example: whether `check` can tell a sound process from a broken one; asked once it is loaded.
        check: runs the example, and returns why this process is broken; "" if it is not. It is given what a
            call said that is known to stay.
        symptom: returns what a call has said that is known to stay, and forgets it.
    """

    load: Callable[[], None]
    batch_key: Callable[[JobMessage], object]
    run: Callable[[list[BatchJob]], list[Outcome]]
    unload: Callable[[], None]
    surroundings: Callable[[], AbstractContextManager[object]] = nullcontext
    restore: Callable[[], object] = lambda: None
    has_example: Callable[[], bool] = lambda: False
    check: Callable[[str], str] = lambda symptom: symptom
    symptom: Callable[[], str] = lambda: ""


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
        self._on_ended = on_ended
        self._waiting: Line[BatchJob] = Line(lambda job: job.is_urgent)
        self._ended: deque[BatchJob] = deque()
        self._running = 0
        self._is_exclusive = False
        self._clock = CallClock()
        self._changed = threading.Condition()
        self._closing = False
        self._suspicion = Suspicion(options.max_failures)
        self._check_since_s: float | None = None
        #: What is wrong with this process; then no thread starts anything any more.
        self.breakage: Breakage | None = None
        self._has_untold = False
        self._told_s = 0.0
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

    def withdraw(self, job: BatchJob) -> bool:
        """Takes a job back that has not started; returns whether that was still possible."""
        with self._changed:
            return self._waiting.remove(job)

    def collect(self) -> list[BatchJob]:
        """Returns the jobs that ended since the last call."""
        ended = []
        # One by one, and without the lock: a thread may add some meanwhile, and the loop waits for none.
        while self._ended:
            ended.append(self._ended.popleft())
        return ended

    def until_refill_s(self, now_s: float) -> float:
        """Returns in how many seconds it is time to look for the next call's jobs; 0 for now.

        That is now where calls run beside each other.
        """
        return self._clock.until_refill_s(now_s) if self._options.threads == 1 else 0.0

    @property
    def is_in_doubt(self) -> bool:
        """Whether this process is being checked, or is broken: it wants no more jobs."""
        return self.breakage is not None or self._check_since_s is not None

    def end_overdue_check(self, now_s: float) -> None:
        """Finds a process broken whose example is not answered in time."""
        # Read once: an inference thread may end the check meanwhile.
        since_s, limit_s = self._check_since_s, self._options.max_exec_s
        if since_s is not None and now_s - since_s > limit_s:
            self._break(f"its example was not answered within {limit_s:g} s")

    @property
    def has_long_calls(self) -> bool:
        """Whether an urgent job would notice that it waits for one call more."""
        return self._options.threads == 1 and self._clock.typical_s > LONG_CALL_S

    def close(self) -> list[BatchJob]:
        """Lets the threads end after their current call; returns the jobs that will not be started."""
        with self._changed:
            self._closing = True
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
                self._check(thread)
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
        options = self._options
        with self._changed:
            while True:
                self._drop_unwanted()
                if self.breakage is not None:
                    self._tell(time.monotonic())
                    return None
                if self._must_check():
                    # Still under the lock, so that no other thread begins a call before the check.
                    self._check_since_s = time.monotonic()
                    return []
                if self._waiting and self._may_start(self._waiting.head):
                    break
                # Before it sleeps: the last ends would wait for the end of another call else.
                if self._has_untold:
                    self._tell(time.monotonic())
                if self._closing and not self._waiting:
                    return None
                self._changed.wait()
            if options.max_wait_ms and self._may_be_joined(self._waiting.head):
                self._await_more(time.monotonic() + options.max_wait_ms / 1000)
                self._drop_unwanted()
            batch = self._take_batch()
            # Waiting for company lets go of the lock, and another thread may have emptied the line.
            if not batch:
                return self._next_batch()
            self._running += 1
            self._is_exclusive = batch[0].runs_alone
            return batch

    def _may_start(self, job: BatchJob) -> bool:
        is_checking = self._check_since_s is not None
        return not (is_checking or self._is_exclusive or (job.runs_alone and self._running))

    def _must_check(self) -> bool:
        if self._check_since_s is not None or not self._suspicion.is_raised:
            return False
        return self._suspicion.must_check(time.monotonic(), not self._waiting)

    def _may_be_joined(self, job: BatchJob) -> bool:
        return not job.runs_alone and self._model.batch_key(job.message) is not None

    def _take_batch(self) -> list[BatchJob]:
        """Takes the jobs at the head of the line that may share a call."""
        if not self._waiting:
            return []
        batch = [self._waiting.pop()]
        key = None if batch[0].runs_alone else self._model.batch_key(batch[0].message)
        while key is not None and self._waiting and len(batch) < self._options.max_batch:
            candidate = self._waiting.head
            if candidate.runs_alone or self._model.batch_key(candidate.message) != key:
                break
            batch.append(self._waiting.pop())
        return batch

    def _await_more(self, deadline_s: float) -> None:
        while len(self._waiting) < self._options.max_batch and not self._closing:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                return

    def _drop_unwanted(self) -> None:
        """Ends the jobs at the head of the line that are canceled, lost or overdue."""
        now_s = time.monotonic()
        dropped = False
        while self._waiting:
            outcome = _unstarted_outcome(self._waiting.head, now_s)
            if outcome is None:
                break
            job = self._waiting.pop()
            job.outcome = outcome
            self._ended.append(job)
            dropped = True
        if dropped:
            self._on_ended()

    def _run(self, thread: int, batch: list[BatchJob]) -> None:
        for job in batch:
            job.is_started = True
        # The limit of the first is that of all: jobs of another one have another batch key.
        limit_s = batch[0].message.max_exec_s or self._options.max_exec_s
        began_s = time.monotonic()
        self._clock.begin(began_s)
        # Before the wrapper is called: if an input kills the process at once, nothing else names its job.
        self._progress.begin(thread, began_s, limit_s, [job.job_id for job in batch])
        outcomes = self._outcomes(batch)
        # The one is this call: what is put back is the whole process', so no other may go on.
        if self._running == 1:
            self._model.restore()
        self._progress.end(thread)
        ended_s = time.monotonic()
        self._clock.end(ended_s)
        with self._changed:
            self._keep_or_end(list(zip(batch, outcomes, strict=True)), began_s, ended_s)
            self._running -= 1
            self._is_exclusive = False
            if self._options.threads > 1:
                self._changed.notify_all()
        self._has_untold = True
        if ended_s - self._told_s >= TELL_EVERY_S:
            self._tell(ended_s)

    def _keep_or_end(self, ended: list[Ended], began_s: float, ended_s: float) -> None:
        """Ends the jobs of a call, unless its failure may be that of this process."""
        has_failed = any(outcome.state is JobState.FAILED for _, outcome in ended)
        if has_failed or self._suspicion.is_raised:
            symptom = self._model.symptom() if has_failed else ""
            ended = self._suspicion.note(ended, began_s, ended_s, symptom, self._model.has_example())
        self._end(ended)
        if self.breakage is not None and self._suspicion.is_raised:
            # It was found broken while this call went on.
            self._spoil(self.breakage.reason)

    def _end(self, ended: list[Ended]) -> None:
        for job, outcome in ended:
            job.outcome = outcome
            self._ended.append(job)

    def _check(self, thread: int) -> None:
        """Runs the example, and ends the jobs that were kept, or finds this process broken."""
        reason = self._checked(thread)
        if reason:
            self._break(reason)
        else:
            with self._changed:
                self._end(self._suspicion.clear())
        self._tell(time.monotonic())

    def _is_sound_for(self, thread: int, batch: list[BatchJob]) -> bool:
        """Whether this process answers its example, so that a job which fails in it now is at fault."""
        reason = self._checked(thread)
        if not reason:
            return True
        with self._changed:
            self._running -= 1
            self._is_exclusive = False
            # They go back without blame: the process was broken before they ran.
            for job in batch:
                job.spoiled = reason
                self._ended.append(job)
        self._break(reason)
        return False

    def _checked(self, thread: int) -> str:
        """Returns why this process is broken; "" if it is not. Others' calls go on, and none is begun."""
        now_s = time.monotonic()
        self._check_since_s = now_s
        # Without jobs: nobody is to blame if the supervisor has to end the process.
        self._progress.begin(thread, now_s, self._options.max_exec_s + CHECK_GRACE_S, [])
        try:
            return self._model.check(self._suspicion.symptom)
        except BaseException as error:
            return one_line(error)
        finally:
            self._progress.end(thread)
            with self._changed:
                self._check_since_s = None
                self._changed.notify_all()

    def _break(self, reason: str) -> None:
        """Finds this process broken: what was kept is to run again elsewhere, and no job is begun."""
        with self._changed:
            # Two may find it: the thread whose example fails late, and the loop, which had given it up.
            if self.breakage is None:
                logger.error("this process is broken and serves no more: %s", reason)
                self._spoil(reason)
            self._changed.notify_all()
        self._tell(time.monotonic())

    def _spoil(self, reason: str) -> None:
        blamed = self.breakage.blamed if self.breakage else ()
        found, jobs = self._suspicion.confirm(reason)
        self.breakage = Breakage(reason, (*blamed, *found.blamed))
        self._ended.extend(jobs)

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
        failure = InternalError("unexpected error; the worker's log holds the details")
        outcome = Outcome(JobState.FAILED, code=failure.code, message=failure.message, batch_size=len(batch))
        return [outcome] * len(batch)

    def _tell(self, now_s: float) -> None:
        self._has_untold = False
        self._told_s = now_s
        self._on_ended()


def _unstarted_outcome(job: BatchJob, now_s: float) -> Outcome | None:
    """Returns how a job ended that is not to be started; None for one that is."""
    if job.is_canceled or job.is_lost:
        error: AthenaError = CanceledError("canceled before it was started")
        return Outcome(JobState.CANCELED, code=error.code, message=error.message, batch_size=0)
    if job.start_by_s < now_s:
        error = ExpiredError("the job was not started within the time it was allowed to queue")
        return Outcome(JobState.EXPIRED, code=error.code, message=error.message, batch_size=0)
    return None
