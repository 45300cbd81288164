"""When a worker process has done enough and is to be replaced: after so many jobs, or with so much memory."""

from collections.abc import Callable
from pathlib import Path

#: How often the memory is measured.
MEASURE_S = 1.0

#: Jobs whose memory the kernel counts as ours: resident pages.
_STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096


def resident_mb() -> float:
    """Returns how much memory this process has, in MB."""
    return int(_STATM.read_text().split()[1]) * PAGE_BYTES / 1e6


class Wear:
    """Counts jobs and measures memory.

    Args:
        max_jobs: so many jobs are enough; 0 for no limit.
        max_memory_mb: so much memory is too much; 0 for no limit.
        measure: returns the memory in MB.
    """

    def __init__(self, max_jobs: int, max_memory_mb: int, measure: Callable[[], float] = resident_mb) -> None:
        self._max_jobs = max_jobs
        self._max_memory_mb = max_memory_mb
        self._measure = measure
        self._jobs = 0
        self._measured_s = float("-inf")

    def count(self) -> None:
        """A job has ended."""
        self._jobs += 1

    def reason(self, now_s: float) -> str:
        """Returns why the process is to be replaced, in words; "" if it is not."""
        if self._max_jobs and self._jobs >= self._max_jobs:
            return f"it has run {self._jobs} jobs (worker.max_jobs)"
        if self._max_memory_mb and now_s - self._measured_s >= MEASURE_S:
            self._measured_s = now_s
            memory_mb = self._measure()
            if memory_mb > self._max_memory_mb:
                return f"it uses {memory_mb:.0f} MB (worker.max_memory_mb is {self._max_memory_mb})"
        return ""
