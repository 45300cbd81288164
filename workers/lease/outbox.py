"""What a worker has to tell Redis: kept until Redis has answered. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.record import Outcome
from athena.store.lease import acquit_command, finish_command, give_back_command
from workers.lease.held_jobs import HeldJob
from workers.lease.steps import Finish, GiveBack, Reconcile, Step, Tell

#: One finish script carries at most this many bytes of results: Redis serves nobody else while it runs.
FINISH_BYTES = 1_000_000
FINISH_JOBS = 1000


@dataclass
class Outbox:
    """What must be told to Redis.

    Attributes:
        ended: jobs whose outcomes Redis has to know.
        returned: jobs that go back to their queues.
        must_reconcile: whether what is held here is to be compared with what Redis counts as held here.
        notes: what is told once, whatever comes of it.
    """

    ended: list[HeldJob] = field(default_factory=list)
    returned: list[HeldJob] = field(default_factory=list)
    must_reconcile: bool = False
    notes: list[Tell] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether jobs are to be told of."""
        return bool(self.ended or self.returned)

    def __len__(self) -> int:
        """Of how many jobs is to be told."""
        return len(self.ended) + len(self.returned)

    def clear(self) -> None:
        """Forgets the jobs: Redis has answered."""
        self.ended, self.returned = [], []

    def keep(self, step: Step) -> None:
        """Takes back what a refused command was to tell."""
        match step:
            case Finish(jobs=jobs):
                self.ended += jobs
            case GiveBack(jobs=jobs):
                self.returned += jobs
            case Reconcile():
                self.must_reconcile = True

    def take_notes(self) -> list[Tell]:
        """Returns the notes, and forgets them."""
        notes, self.notes = self.notes, []
        return notes

    def steps(self, entry: WorkerEntry) -> Iterator[Step]:
        """Returns what tells Redis of the jobs."""
        for part in finish_parts(self.ended):
            jobs = [(*ticket(job), outcome_of(job)) for job in part]
            command = finish_command(entry.incarnation, entry.gpu_type, entry.name, jobs)
            yield Finish(command, part)
        ordinary = [job for job in self.returned if not (job.needs_newer or job.spoiled)]
        if ordinary:
            yield GiveBack(give_back_command(entry.incarnation, map(ticket, ordinary)), ordinary)
        spoiled = [job for job in self.returned if job.spoiled]
        if spoiled:
            command = acquit_command(entry.incarnation, entry.name, spoiled[0].spoiled, map(ticket, spoiled))
            yield GiveBack(command, spoiled, "return what a broken process failed")
        for job in self.returned:
            if job.needs_newer:
                command = give_back_command(entry.incarnation, [ticket(job)], job.needs_newer)
                yield GiveBack(command, [job], "return a job for a newer worker")


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
