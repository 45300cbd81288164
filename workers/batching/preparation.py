"""The next call's inputs are fetched and decoded while a call goes on: a model need not wait for them."""

import threading
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from workers.batching.jobs import BatchJob

#: So much is held for the next call at most, beside what the present one has.
MAX_BYTES = 64 * 1024 * 1024

#: How long a call waits for a job that is being prepared. Then it does that itself, where its own time counts
#: and the supervisor ends a process that hangs.
PATIENCE_S = 30.0


class Preparation:
    """Prepares jobs that wait, on a thread of its own that begins when it is first called for.

    Args:
        prepare: fetches and decodes the inputs of a job, keeps them with it, and returns how many bytes these
            are. It raises nothing: what is wrong with them its call finds.
        line: the jobs that wait, in the order in which they start.
        max_batch: so many share the next call at most.
        lock: that of the line.
    """

    def __init__(
        self,
        prepare: Callable[[BatchJob], int],
        line: Iterable[BatchJob],
        max_batch: int,
        lock: threading.RLock,
    ) -> None:
        self._prepare = prepare
        self._line = line
        self._max_batch = max_batch
        self._lock = lock
        self._wanted = threading.Condition(lock)
        self._ended = threading.Condition(lock)
        self._thread: threading.Thread | None = None
        self._current: BatchJob | None = None
        self._is_closing = False

    def wake(self) -> None:
        """Has it look at the line."""
        with self._lock:
            if self._thread is None and not self._is_closing:
                # Not waited for at the end: it may wait for Redis.
                self._thread = threading.Thread(target=self._work, name="preparation", daemon=True)
                self._thread.start()
            self._wanted.notify()

    def leave(self, batch: Sequence[BatchJob]) -> None:
        """Waits until none of these jobs is being prepared, which have left the line; needs the lock."""
        self._ended.wait_for(lambda: self._current is None or self._current not in batch, PATIENCE_S)

    def close(self) -> None:
        """Ends it; needs the lock."""
        self._is_closing = True
        self._wanted.notify()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            job.prepared_bytes = self._prepare(job)
            with self._lock:
                self._current = None
                self._ended.notify_all()

    def _next(self) -> BatchJob | None:
        """Waits for a job that is to be prepared; None at the end."""
        with self._lock:
            while not self._is_closing:
                self._current = self._unprepared()
                if self._current is not None:
                    return self._current
                self._wanted.wait()
            return None

    def _unprepared(self) -> BatchJob | None:
        held_bytes = 0
        for job in islice(self._line, self._max_batch):
            if job.prepared_bytes is None:
                return job if held_bytes < MAX_BYTES else None
            held_bytes += job.prepared_bytes
        return None
