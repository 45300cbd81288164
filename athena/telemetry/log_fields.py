"""What a log line says beside its words: which process wrote it, and which jobs its thread is about."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

#: The attribute of a record that holds fields of its own.
FIELDS = "athena_fields"

#: A call may have hundreds of jobs; a line for people names so many of them.
MAX_JOBS = 20


class NamedJob(Protocol):
    """A job as lines name it."""

    @property
    def job_id(self) -> str:
        """Its id, which callers know as `sid`."""

    @property
    def attempt(self) -> int:
        """Which run of the job this is, from 1; 0 where that is not known."""


def _no_jobs() -> Sequence[NamedJob]:
    return ()


@dataclass(frozen=True)
class LogFields:
    """What all lines of one process have in common.

    Attributes:
        process: what it does: `gateway`, `worker`, `supervisor`.
        ability: whose wrapper it runs; "" for none.
        worker: its name; "" if it is none.
        jobs_of_thread: the jobs that the calling thread is about at this moment.
    """

    process: str = ""
    ability: str = ""
    worker: str = ""
    jobs_of_thread: Callable[[], Sequence[NamedJob]] = _no_jobs

    def of_process(self) -> Mapping[str, str]:
        """Returns the fields of the process that are there."""
        named = {"process": self.process, "ability": self.ability, "worker": self.worker}
        return {name: value for name, value in named.items() if value}

    def of_thread(self) -> Mapping[str, object]:
        """Returns the fields of the jobs that the calling thread is about.

        One job is `job_id` and `attempt`; those of a batch are `job_ids`.
        """
        jobs = self.jobs_of_thread()
        if not jobs:
            return {}
        if len(jobs) > 1:
            return {"job_ids": [job.job_id for job in jobs]}
        job = jobs[0]
        return {"job_id": job.job_id, "attempt": job.attempt} if job.attempt else {"job_id": job.job_id}


def about(**fields: object) -> Mapping[str, object]:
    """Returns `extra` for a record that is about something: `job_id`, `job_ids`, `worker`, `ability`."""
    return {FIELDS: fields}


def shown_ids(ids: Sequence[str]) -> str:
    """Returns ids for a line that people read; of many, the first."""
    left = len(ids) - MAX_JOBS
    return ", ".join(ids[:MAX_JOBS]) + (f" and {left} more" if left > 0 else "")
