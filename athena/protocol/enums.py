"""Words of the HTTP contract: states of jobs, and lanes."""

from enum import StrEnum

HIGH, NORMAL, LOW = "high", "normal", "low"

#: `header.priority`, the lanes of each queue.
LANES = (HIGH, NORMAL, LOW)

#: `application_mode` of a job that shares its inference call with no other.
EXCLUSIVE = "exclusive_gpu"


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"
    POISONED = "poisoned"

    @property
    def is_final(self) -> bool:
        """Whether the state never changes any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)
