"""The threads that run the jobs of a worker, in batches.

Knows neither Celery nor Redis: jobs come in by `put`, ended ones go out by `collect`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from athena.jobs import Outcome
from athena.messages import JobMessage
from athena.progress import ProgressBoard


@dataclass(eq=False)
class BatchJob:
    """A job on its way through the batcher.

    Attributes:
        is_started: whether its inference call has begun.
        outcome: how it ended; None while it has not.
    """

    job_id: str
    message: JobMessage
    is_started: bool = False
    outcome: Outcome | None = None


@dataclass(frozen=True)
class BatchOptions:
    """How jobs are put together (see `athena.ability.WorkerOptions`)."""

    max_batch: int = 1
    max_wait_ms: float = 0
    threads: int = 1
    max_exec_s: float = 60


@dataclass(frozen=True)
class Model:
    """What the threads run.

    Attributes:
        load: runs first, on the first thread, so that a model is loaded where it will run.
        run: runs jobs in one inference call and returns one outcome for each; never raises.
        unload: runs last, on the first thread.
    """

    load: Callable[[], None]
    run: Callable[[list[BatchJob]], list[Outcome]]
    unload: Callable[[], None]


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
        self._waiting: deque[BatchJob] = deque()
        self._ended: deque[BatchJob] = deque()
        self._changed = threading.Condition()
        self._closing = False
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

    def collect(self) -> list[BatchJob]:
        """Returns the jobs that ended since the last call."""
        ended = []
        while self._ended:
            ended.append(self._ended.popleft())
        return ended

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
        if thread == 0 and not self._load():
            return
        self.loaded.exception()
        while batch := self._next_batch():
            self._run(thread, batch)
        if thread == 0:
            for other in self._threads[1:]:
                other.join()
            self._model.unload()

    def _load(self) -> bool:
        try:
            self._model.load()
        except BaseException as error:
            self.close()
            self.loaded.set_exception(error)
            return False
        self.loaded.set_result(None)
        return True

    def _next_batch(self) -> list[BatchJob]:
        """Waits for jobs; an empty list means that the batcher is closing."""
        options = self._options
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            if options.max_wait_ms and len(self._waiting) < options.max_batch:
                self._await_more(time.monotonic() + options.max_wait_ms / 1000)
            count = min(options.max_batch, len(self._waiting))
            return [self._waiting.popleft() for _ in range(count)]

    def _await_more(self, deadline_s: float) -> None:
        while len(self._waiting) < self._options.max_batch and not self._closing:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not self._changed.wait(left_s):
                return

    def _run(self, thread: int, batch: list[BatchJob]) -> None:
        for job in batch:
            job.is_started = True
        self._progress.begin(thread, time.monotonic(), self._options.max_exec_s)
        outcomes = self._model.run(batch)
        self._progress.end(thread)
        for job, outcome in zip(batch, outcomes, strict=True):
            job.outcome = outcome
            self._ended.append(job)
        self._on_ended()
