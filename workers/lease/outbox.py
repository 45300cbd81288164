"""What a worker has to tell Redis: kept until Redis has answered."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from athena.jobs.record import Outcome
from athena.store.scripts import Command
from workers.lease.held_jobs import HeldJob

#: One finish script carries at most this many bytes of results: Redis serves nobody else while it runs.
FINISH_BYTES = 1_000_000
FINISH_JOBS = 1000


@dataclass(frozen=True)
class Step:
    """One command of an exchange; the jobs in it are told again if Redis refuses it."""

    purpose: str
    command: Command
    read: Callable[[Any], None]
    ended: Sequence[HeldJob] = ()
    returned: Sequence[HeldJob] = ()
    reconciles: bool = False


@dataclass
class Outbox:
    """What must be told to Redis; kept until it has answered."""

    ended: list[HeldJob] = field(default_factory=list)
    returned: list[HeldJob] = field(default_factory=list)
    must_reconcile: bool = False

    def keep(self, step: Step) -> None:
        """Takes back what a refused command was to tell."""
        self.ended += step.ended
        self.returned += step.returned
        self.must_reconcile = self.must_reconcile or step.reconciles


def outcome_of(job: HeldJob) -> Outcome:
    """Returns how a job ended that has ended."""
    assert job.outcome is not None
    return job.outcome


def finish_parts(jobs: list[HeldJob]) -> Iterator[list[HeldJob]]:
    """Returns jobs in portions whose results fit into one script."""
    part: list[HeldJob] = []
    size = 0
    for job in jobs:
        part.append(job)
        size += len(outcome_of(job).payload)
        if size >= FINISH_BYTES or len(part) >= FINISH_JOBS:
            yield part
            part, size = [], 0
    if part:
        yield part


def ticket(job: HeldJob) -> tuple[str, str]:
    """Returns what a script needs to know a job by: its id and its token."""
    return job.taken.job_id, job.taken.token
