"""What workers do with jobs in Redis: take, start, finish, give back."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from athena.jobs.record import Outcome
from athena.store.keys import canceled_key
from athena.store.scripts import ACQUIT, FINISH, GIVE_BACK, PROGRESS, RECONCILE, START, TAKE, Arg, Command

#: What a record says of a job that runs alone, in a process that has just answered the example.
SUSPECT = b"2"


class TakenJob(NamedTuple):
    """A job that a worker holds; only the holder of its current token can finish it.

    Attributes:
        runs_alone: whether a worker died under it, so that it must not share a batch or a process.
        start_within_s: how long it may wait for its start.
        is_suspect: whether its call failed in a process that was broken; its next process has to answer the
            example before.
    """

    job_id: str
    token: str
    queue: str
    message: bytes
    runs_alone: bool = False
    start_within_s: float = float("inf")
    is_suspect: bool = False

    @property
    def attempt(self) -> int:
        """Which attempt its next start is, from 1 on."""
        return int(self.token.partition(".")[0])


class Draw(NamedTuple):
    """A queue that jobs are taken from; `limit` is the most that are taken, 0 for no limit of its own."""

    queue: str
    limit: int = 0


@dataclass(frozen=True)
class ForeignLimits:
    """What holds for jobs that came by send_task, whose records are made when they are taken."""

    result_ttl_s: float
    record_ttl_s: float
    max_queue_s: float


def take_command(
    incarnation: str, draw: Sequence[Draw], count: int, foreign: ForeignLimits, number: int
) -> Command:
    """Moves up to `count` jobs to a worker, from one queue after the other; each take has its number."""
    limits = (foreign.result_ttl_s, foreign.record_ttl_s, foreign.max_queue_s)
    fixed: tuple[Arg, ...] = (incarnation, count, *(int(limit_s * 1000) for limit_s in limits), number)
    return TAKE.call((item.queue for item in draw), (*fixed, *(item.limit for item in draw)))


def taken_jobs(reply: Any) -> list[TakenJob] | None:
    """Reads the answer of `take_command`; None means that the worker is fenced."""
    if reply is None:
        return None
    # A flat list: Redis 6 writes each list within a list by a system call of its own.
    items = iter(reply)
    return [
        TakenJob(
            job_id.decode(),
            token.decode(),
            queue.decode(),
            message,
            runs_alone != b"",
            left_ms / 1000,
            runs_alone == SUSPECT,
        )
        for job_id, token, queue, message, runs_alone, left_ms in zip(*[items] * 6, strict=True)
    ]


def start_command(gpu_type: str, worker: str, jobs: Iterable[tuple[str, str]]) -> Command:
    """Marks jobs, each an id and a token, as running."""
    return START.call((), (gpu_type, worker, *(item for job in jobs for item in job)))


def started_jobs(reply: Any) -> list[bool]:
    """Reads the answer of `start_command`: whether each job is still its worker's to run."""
    return [bool(is_ours) for is_ours in reply]


@dataclass(frozen=True)
class Finished:
    """The outcome of a job stands."""


@dataclass(frozen=True)
class EndedElsewhere:
    """The outcome came too late: the job has another, or another worker has it."""


@dataclass(frozen=True)
class FinishFailed:
    """The outcome could not be written."""

    reason: str


FINISHED = Finished()
ENDED_ELSEWHERE = EndedElsewhere()

#: What Redis says of the outcome of one job.
FinishVerdict = Finished | EndedElsewhere | FinishFailed


def finish_command(
    incarnation: str, gpu_type: str, worker: str, jobs: Iterable[tuple[str, str, Outcome]]
) -> Command:
    """Ends jobs, each an id, a token and an outcome."""
    args: list[Arg] = [incarnation, gpu_type, worker]
    for job_id, token, outcome in jobs:
        args += (
            job_id,
            token,
            _told_state(outcome),
            outcome.code,
            outcome.message,
            outcome.payload or outcome.place,
            str(outcome.exec_ms),
            outcome.batch_size,
        )
    return FINISH.call((), args)


def finished_jobs(reply: Any) -> list[FinishVerdict]:
    """Reads the answer of `finish_command`: a verdict for each job."""
    return [_finish_verdict(word) for word in reply]


def _finish_verdict(word: int | bytes) -> FinishVerdict:
    match word:
        case 1:
            return FINISHED
        case 0:
            return ENDED_ELSEWHERE
        case bytes():
            return FinishFailed(word.decode(errors="replace"))
        case _:
            return FinishFailed(f"the script answered {word!r}")


def _told_state(outcome: Outcome) -> str:
    if outcome.retry_after_s is None:
        return str(outcome.state)
    return f"retry {int(outcome.retry_after_s * 1000)}"


def progress_command(jobs: Iterable[tuple[str, str, str]]) -> Command:
    """Notes how far running jobs, each an id, a token and a progress, are."""
    return PROGRESS.call((), (item for job in jobs for item in job))


def give_back_command(incarnation: str, jobs: Iterable[tuple[str, str]], waits: str = "") -> Command:
    """Returns jobs, each an id and a token, that did not start to the head of their queues.

    Args:
        incarnation: the worker that holds them.
        jobs: them.
        waits: why their queues wait from now on; "" if they do not.
    """
    return GIVE_BACK.call((), (incarnation, waits, *(item for job in jobs for item in job)))


def acquit_command(incarnation: str, worker: str, reason: str, jobs: Iterable[tuple[str, str]]) -> Command:
    """Returns jobs, each an id and a token, that failed in a broken process: that attempt does not count."""
    return ACQUIT.call((), (incarnation, reason, worker, *(item for job in jobs for item in job)))


def reconcile_command(incarnation: str, jobs: Iterable[tuple[str, str]]) -> Command:
    """Returns what Redis counts as held by a worker that holds only `jobs`, each an id and a token."""
    return RECONCILE.call((), (incarnation, *(item for job in jobs for item in job)))


def reconciled_jobs(reply: Any) -> tuple[list[str], list[str]]:
    """Reads the answer of `reconcile_command`: what went back, and what the worker does not hold any more."""
    returned, gone = reply
    return [job_id.decode() for job_id in returned], [job_id.decode() for job_id in gone]


def canceled_command(incarnation: str) -> Command:
    """Asks which of a worker's jobs are canceled."""
    return ("SMEMBERS", canceled_key(incarnation))
