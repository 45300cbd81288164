"""Whether failed calls are their jobs' fault or their process'. Pure.

A process whose CUDA context is poisoned, or whose library has lost its state, fails every call within a
millisecond: it wins every take and empties the queue with errors. So the outcomes of failed calls are kept
until a later call succeeds, or the ability's example has told whether the process is sound.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from athena.errors import ExpiredError, InterfaceChangedError, RequestError
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from workers.batching.jobs import BatchJob

#: Failures of these codes are those of requests, found before a wrapper is called.
_OF_REQUESTS = frozenset({RequestError.code, InterfaceChangedError.code, ExpiredError.code})

#: Outcomes that were kept for so long are not kept for another call: the example is asked before it.
KEEP_S = 0.25

#: A job, and how its call ended.
Ended = tuple[BatchJob, Outcome]


@dataclass(frozen=True)
class Breakage:
    """What is wrong with a process that serves no more.

    Attributes:
        reason: in words, for the log and for the records of its jobs.
        blamed: the jobs that broke it: the process answered the example right before, and nothing after.
    """

    reason: str
    blamed: tuple[str, ...] = ()


class Suspicion:
    """The failed calls of one process since its last good one.

    Args:
        max_failures: so many in a row are enough to ask the example; 0: only symptoms are.
    """

    def __init__(self, max_failures: int) -> None:
        self._max_failures = max_failures
        self._kept: list[Ended] = []
        self._calls = 0
        self._first_s = self._last_s = 0.0
        #: What a failure said that is known to stay.
        self.symptom = ""

    @property
    def is_raised(self) -> bool:
        """Whether outcomes are kept."""
        return bool(self._kept)

    def note(
        self, ended: Sequence[Ended], began_s: float, ended_s: float, symptom: str, can_check: bool
    ) -> list[Ended]:
        """Takes in a call; returns the outcomes that can be told.

        Args:
            ended: its jobs, and how they ended.
            began_s: when it began.
            ended_s: when it ended.
            symptom: what it said that is known to stay; "" for nothing of the kind.
            can_check: whether there is an example to ask.
        """
        failed = [item for item in ended if _may_be_of_process(*item)]
        if not failed or not (symptom or (self._max_failures and can_check)):
            works = any(outcome.state is JobState.SUCCEEDED for _, outcome in ended)
            # A call that began before the last failure says nothing of what came after.
            return [*(self.clear() if works and began_s >= self._last_s else ()), *ended]
        # A batch counts as failed if all of it failed: a broken process spares no job.
        if len(failed) < len(ended) and not symptom:
            return [*self.clear(), *ended]
        self._first_s = self._first_s if self._kept else ended_s
        self._kept += failed
        self._calls += 1
        self._last_s = ended_s
        self.symptom = self.symptom or symptom
        return [item for item in ended if item not in failed]

    def must_check(self, now_s: float, is_idle: bool) -> bool:
        """Whether the example has to be asked before anything else is run.

        Args:
            now_s: the monotonic clock.
            is_idle: whether no job waits that could clear the process at no cost.
        """
        if not self._kept:
            return False
        return (
            is_idle
            or bool(self.symptom)
            or self._calls >= self._max_failures
            or now_s - self._first_s >= KEEP_S
            # To blame a suspect takes the example right after it, before another call can break the process.
            or any(job.is_suspect for job, _ in self._kept)
        )

    def clear(self) -> list[Ended]:
        """Returns the outcomes that were kept: the process is sound, so these are their jobs' own."""
        kept, self._kept = self._kept, []
        self._calls, self.symptom = 0, ""
        return kept

    def confirm(self, reason: str) -> tuple[Breakage, list[BatchJob]]:
        """The process is broken: returns what is wrong, and the jobs whose outcomes do not count."""
        jobs = [job for job, _ in self.clear()]
        return Breakage(reason, tuple(job.job_id for job in jobs if job.is_suspect)), jobs


def _may_be_of_process(job: BatchJob, outcome: Outcome) -> bool:
    # A wrapper that hears of a cancel may return anything.
    return outcome.state is JobState.FAILED and outcome.code not in _OF_REQUESTS and not job.is_canceled
