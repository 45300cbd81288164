"""Whether the process of the inference threads can still run jobs: asked of the ability's example."""

import logging
import threading
import time
from collections.abc import Sequence

from athena.fleet.progress_board import ProgressBoard
from athena.plain_text import one_line
from athena.protocol.enums import JobState
from workers.batching.ended_jobs import EndedJobs
from workers.batching.model import BatchOptions, Model
from workers.batching.suspicion import Breakage, Ended, Suspicion

logger = logging.getLogger(__name__)

#: A check that takes so much longer than a call may is ended by the supervisor: this process did not do it.
CHECK_GRACE_S = 10.0


class Soundness:
    """What is known of one process, for all of its threads.

    Args:
        changed: the threads' lock; who waits for it is woken when a check is over, or the process broken.

    Attributes:
        breakage: what is wrong with this process; then no thread starts anything any more.
    """

    def __init__(
        self,
        model: Model,
        options: BatchOptions,
        progress: ProgressBoard,
        ended: EndedJobs,
        changed: threading.Condition,
    ) -> None:
        self._model = model
        self._max_exec_s = options.max_exec_s
        self._progress = progress
        self._ended = ended
        self._changed = changed
        self._suspicion = Suspicion(options.max_failures)
        self._check_since_s: float | None = None
        self.breakage: Breakage | None = None

    @property
    def is_in_doubt(self) -> bool:
        """Whether this process is being checked, or is broken: it wants no more jobs."""
        return self.breakage is not None or self.is_checking

    @property
    def is_checking(self) -> bool:
        """Whether a thread asks the example."""
        return self._check_since_s is not None

    def begin_check_if_due(self, is_idle: bool) -> bool:
        """Whether a thread, which holds the lock, is to ask the example now; others begin no call then.

        Args:
            is_idle: whether no job waits that could clear the process at no cost.
        """
        if self.is_checking or not self._suspicion.is_raised:
            return False
        now_s = time.monotonic()
        if not self._suspicion.must_check(now_s, is_idle):
            return False
        self._check_since_s = now_s
        return True

    def end_overdue_check(self, now_s: float) -> None:
        """Finds a process broken whose example is not answered in time."""
        # Read once: an inference thread may end the check meanwhile.
        since_s, limit_s = self._check_since_s, self._max_exec_s
        if since_s is not None and now_s - since_s > limit_s:
            self.find_broken(f"its example was not answered within {limit_s:g} s")

    def keep_or_end(self, ended: list[Ended], began_s: float, ended_s: float) -> None:
        """Ends the jobs of a call, unless its failure may be that of this process; needs the lock."""
        has_failed = any(outcome.state is JobState.FAILED for _, outcome in ended)
        if has_failed or self._suspicion.is_raised:
            symptom = self._model.symptom() if has_failed else ""
            ended = self._suspicion.note(ended, began_s, ended_s, symptom, self._model.has_example())
        self._end(ended)
        if self.breakage is not None and self._suspicion.is_raised:
            # It was found broken while this call went on.
            self._spoil(self.breakage.reason)

    def check(self, thread: int) -> None:
        """Asks the example, and ends the jobs that were kept, or finds this process broken."""
        reason = self.ask_example(thread)
        if reason:
            self.find_broken(reason)
            return
        with self._changed:
            self._end(self._suspicion.clear())
        self._ended.tell(time.monotonic())

    def ask_example(self, thread: int) -> str:
        """Returns why this process is broken; "" if it is not. Others' calls go on, and none is begun."""
        now_s = time.monotonic()
        self._check_since_s = now_s
        # Without jobs: nobody is to blame if the supervisor has to end the process.
        self._progress.begin(thread, now_s, self._max_exec_s + CHECK_GRACE_S, [])
        try:
            return self._model.check(self._suspicion.symptom)
        except BaseException as error:
            return one_line(error)
        finally:
            self._progress.end(thread)
            with self._changed:
                self._check_since_s = None
                self._changed.notify_all()

    def find_broken(self, reason: str) -> None:
        """Ends this process' service: what was kept is to run again elsewhere, and no job is begun."""
        with self._changed:
            # Two may find it: the thread whose example fails late, and the loop, which had given it up.
            if self.breakage is None:
                logger.error("this process is broken and serves no more: %s", reason)
                self._spoil(reason)
            self._changed.notify_all()
        self._ended.tell(time.monotonic())

    def _spoil(self, reason: str) -> None:
        blamed = self.breakage.blamed if self.breakage else ()
        found, jobs = self._suspicion.confirm(reason)
        self.breakage = Breakage(reason, (*blamed, *found.blamed))
        self._ended.add_spoiled(jobs, reason)

    def _end(self, ended: Sequence[Ended]) -> None:
        for job, outcome in ended:
            self._ended.add(job, outcome)
