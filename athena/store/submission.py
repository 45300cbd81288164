"""What gateways, workers and supervisors do with jobs in Redis: commands, and how their answers are read."""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from athena.errors import ExecTimeoutError
from athena.fleet.routing import STAY, Rerouting
from athena.jobs.record import JobRecord, JobState, Outcome
from athena.store.keys import canceled_key, request_key
from athena.store.scripts import (
    BEAT,
    CANCEL,
    FENCE,
    FINISH,
    GIVE_BACK,
    LEAVE,
    PROGRESS,
    READ,
    RECONCILE,
    REQUEUE,
    START,
    SUBMIT,
    SWEEP,
    TAKE,
    Arg,
    Command,
)

#: How long inputs may lie beside a message that was not submitted yet.
ORPHAN_TTL_S = 120


class Submission(NamedTuple):
    """A job on its way into a queue.

    Attributes:
        gateway: id of the gateway that waits for it, "" if none does.
        abandonable: whether it is canceled when nobody waits any more.
        claim: whether the inputs lie beside the message.
        bytes: size of message and inputs.
        max_open_bytes: for all open jobs of the ability together; a single job always fits.
        retry_of: the job that is tried again.
        home: where it moves when the GPU to which it is pinned is lost; "" without a pin.
    """

    job_id: str
    service_id: str
    queue: str
    message: bytes
    app_id: str
    request_id: str
    body_hash: str
    gateway: str
    abandonable: bool
    claim: bool
    bytes: int
    max_queue_jobs: int
    max_open_bytes: int
    max_queue_s: float
    result_ttl_s: float
    record_ttl_s: float
    retry_of: str = ""
    home: str = ""


class Verdict(NamedTuple):
    """What became of a job on its way into a queue.

    Attributes:
        word: accepted, attached, conflict, full, heavy, payload_lost, failed, or gone: it is no dead letter
            any more.
        detail: id and state of the job that has the request_id, jobs in the queue, bytes of open jobs, or why
            it failed.
    """

    word: str
    detail: str

    @classmethod
    def read(cls, raw: bytes) -> "Verdict":
        """Reads one item of the answer of `submit_command`."""
        if raw == b"accepted":
            return ACCEPTED
        word, _, detail = raw.decode().partition(" ")
        return cls(word, detail)


ACCEPTED = Verdict("accepted", "")


def submit_command(jobs: Iterable[Submission]) -> Command:
    """Puts jobs, some hundreds at most, into their queues; one whose request_id is known is found instead.

    The answer holds one verdict per job (see `Verdict`).
    """
    keys: list[str] = []
    args: list[Arg] = []
    for job in jobs:
        keys += _keys_of(job)
        args += _args_of(job)
    return SUBMIT.call(keys, args)


def requeue_command(dead_id: str, job: Submission) -> Command:
    """Puts a job into its queue that tries a dead letter again, and takes that letter off the list.

    The answer is a verdict (see `Verdict`).
    """
    return REQUEUE.call(_keys_of(job), (dead_id, *_args_of(job)))


def _keys_of(job: Submission) -> tuple[str, str]:
    return job.queue, request_key(job.request_id) if job.request_id else ""


def _args_of(job: Submission) -> tuple[Arg, ...]:
    record = _own_fields(job)
    return (
        job.job_id,
        job.message,
        job.max_queue_jobs,
        job.gateway,
        job.body_hash,
        "1" if job.claim else "0",
        int(job.max_queue_s * 1000),
        job.app_id,
        job.service_id,
        job.bytes,
        job.max_open_bytes,
        "1" if job.abandonable else "0",
        len(record),
        *record,
    )


def _own_fields(job: Submission) -> list[Arg]:
    """Returns fields of a job's record, and their values, that most jobs do not have, or have otherwise."""
    record: list[Arg] = ["result_ttl_ms", int(job.result_ttl_s * 1000)]
    if job.record_ttl_s != job.result_ttl_s:
        record += ["record_ttl_ms", int(job.record_ttl_s * 1000)]
    if job.request_id:
        record += ["request_id", job.request_id]
    if job.retry_of:
        record += ["retry_of", job.retry_of]
    if job.home:
        record += ["home", job.home]
    if job.abandonable:
        record += ["abandonable", 1]
    return record


class TakenJob(NamedTuple):
    """A job that a worker holds; only the holder of its current token can finish it.

    Attributes:
        runs_alone: whether a worker died under it, so that it must not share a batch or a process.
        start_within_s: how long it may wait for its start.
    """

    job_id: str
    token: str
    queue: str
    message: bytes
    runs_alone: bool = False
    start_within_s: float = float("inf")


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
    items = iter(reply)
    return [
        TakenJob(
            job_id.decode(),
            token.decode(),
            queue.decode(),
            message,
            runs_alone == b"1",
            left_ms / 1000,
        )
        for job_id, token, queue, message, runs_alone, left_ms in zip(*[items] * 6, strict=True)
    ]


def start_command(gpu_type: str, worker: str, jobs: Iterable[tuple[str, str]]) -> Command:
    """Marks jobs, each an id and a token, as running."""
    return START.call((), (gpu_type, worker, *(item for job in jobs for item in job)))


def finish_command(
    incarnation: str, gpu_type: str, worker: str, jobs: Iterable[tuple[str, str, Outcome]]
) -> Command:
    """Ends jobs, each an id, a token and an outcome."""
    args: list[Arg] = [incarnation, gpu_type, worker]
    for job_id, token, outcome in jobs:
        args += (
            job_id,
            token,
            str(outcome.state),
            outcome.code,
            outcome.message,
            outcome.payload,
            str(outcome.exec_ms),
            outcome.batch_size,
        )
    return FINISH.call((), args)


def progress_command(jobs: Iterable[tuple[str, str, str]]) -> Command:
    """Notes how far running jobs, each an id, a token and a progress, are."""
    return PROGRESS.call((), (item for job in jobs for item in job))


def give_back_command(incarnation: str, jobs: Iterable[tuple[str, str]]) -> Command:
    """Returns jobs, each an id and a token, that did not start to the head of their queues."""
    return GIVE_BACK.call((), (incarnation, *(item for job in jobs for item in job)))


def reconcile_command(incarnation: str, jobs: Iterable[tuple[str, str]]) -> Command:
    """Returns what Redis counts as held by a worker that holds only `jobs`, each an id and a token."""
    return RECONCILE.call((), (incarnation, *(item for job in jobs for item in job)))


def reconciled_jobs(reply: Any) -> tuple[list[str], list[str]]:
    """Reads the answer of `reconcile_command`: what went back, and what the worker does not hold any more."""
    returned, gone = reply
    return [job_id.decode() for job_id in returned], [job_id.decode() for job_id in gone]


@dataclass(frozen=True)
class Death:
    """The end of a worker process, and what it means for the jobs that the process held.

    Attributes:
        reason: for the records, in words.
        blamed: the jobs in the calls that were going on; None if nobody knows, because the host died too.
        overran: whether the process was killed because these calls ran past their limit.
        overrun_message: for a caller whose job ran past its limit.
        max_attempts: a job under which so many processes died is poisoned.
        dead_ttl_s: how long a dead letter is kept.
    """

    reason: str
    blamed: tuple[str, ...] | None
    max_attempts: int
    dead_ttl_s: float
    overran: bool = False
    overrun_message: str = ""


def fence_command(incarnation: str, death: Death, silent_since_beat: int | None = None) -> Command:
    """Shuts a dead worker out and passes its jobs on.

    Who concludes from silence that it is dead names the beat after which it fell silent: nothing happens if
    there was another one meanwhile.

    Those that did not run go back to their queues. Those that ran go back too, to run alone, or are poisoned
    when too many workers died under them. A job that overran its limit alone is timed out.
    """
    return FENCE.call(
        (),
        (
            incarnation,
            death.reason,
            "overrun" if death.overran else "death",
            death.max_attempts,
            int(death.dead_ttl_s * 1000),
            ExecTimeoutError.code,
            death.overrun_message,
            "0" if death.blamed is None else "1",
            "" if silent_since_beat is None else silent_since_beat,
            *(death.blamed or ()),
        ),
    )


def fenced_jobs(reply: Any) -> tuple[int, int]:
    """Reads the answer of `fence_command`: how many jobs went back, how many ended."""
    returned, ended = reply
    return len(returned), len(ended)


def beat_command(incarnations: Iterable[str]) -> Command:
    """Counts one heartbeat of each worker."""
    return BEAT.call((), incarnations)


@dataclass(frozen=True)
class Beat:
    """What Redis answers to a worker's heartbeat.

    Attributes:
        canceled: the jobs it held when they were canceled.
    """

    is_fenced: bool
    canceled: frozenset[str]


def beats(reply: Any) -> list[Beat]:
    """Reads the answer of `beat_command`, in its order."""
    return [
        Beat(is_known == b"0", frozenset(job_id.decode() for job_id in canceled))
        for is_known, canceled in reply
    ]


def canceled_command(incarnation: str) -> Command:
    """Asks which of a worker's jobs are canceled."""
    return ("SMEMBERS", canceled_key(incarnation))


def forget_canceled_command(incarnation: str, job_ids: Iterable[str]) -> Command:
    """Drops canceled jobs that the worker does not hold any more."""
    return ("SREM", canceled_key(incarnation), *job_ids)


def cancel_command(job_ids: Iterable[str], reason: str) -> Command:
    """Cancels jobs; the answer holds the state of each before, "" for an unknown one."""
    return CANCEL.call((), (reason, *job_ids))


def canceled_states(reply: Any) -> list[JobState | None]:
    """Reads the answer of `cancel_command`."""
    return [JobState(state.decode()) if state else None for state in reply]


def sweep_command(
    service_id: str,
    queues: Iterable[str],
    record_ttl_s: float,
    dead_ttl_s: float,
    thorough: bool,
    moves: Rerouting = STAY,
) -> Command:
    """Expires what is overdue in an ability, keeps its books true, and passes on what nobody takes."""
    ttls = (int(record_ttl_s * 1000), int(dead_ttl_s * 1000))
    fixed: tuple[Arg, ...] = (service_id, *ttls, "1" if thorough else "0", moves.target)
    return SWEEP.call(queues, (*fixed, *sorted(moves.live)))


def read_command(job_id: str, gateway: str = "") -> Command:
    """Reads a job; with `gateway`, that gateway hears when it ends."""
    return READ.call((), (job_id, gateway))


def job_record(job_id: str, reply: Any) -> JobRecord | None:
    """Reads the answer of `read_command`; None for an unknown job."""
    flat, result, given_out, is_paused = reply
    if not flat:
        return None
    record = pairs(flat)
    position = 0
    if record.get(b"state") == b"queued" and not record.get(b"token"):
        position = max(1, int(record.get(b"seq") or 0) - int(given_out or 0))
    return JobRecord.decode(job_id, record, result, position, is_paused is not None)


def pairs(flat: list[bytes]) -> dict[bytes, bytes]:
    """Returns what Redis lists as field, value, field, value."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def find_command(request_id: str) -> Command:
    """Looks a caller's own id up."""
    return ("HGETALL", request_key(request_id))


class FoundJob(NamedTuple):
    """A job that a caller knows by an id of his own; `service_id` is "" where an older version wrote it."""

    service_id: str
    app_id: str
    job_id: str


def found_jobs(reply: Any) -> list[FoundJob]:
    """Reads the answer of `find_command`."""
    found = []
    for field, value in zip(reply[::2], reply[1::2], strict=True):
        service_id, _, app_id = field.decode().rpartition("\0")
        found.append(FoundJob(service_id, app_id, value.decode().partition(" ")[0]))
    return found


def leave_command(job_id: str, gateway: str) -> Command:
    """Tells that nobody at this gateway waits for the job any more."""
    return LEAVE.call((), (job_id, gateway))


class Reply(NamedTuple):
    """A job that ended, as a waiting gateway hears of it; `payload` is None if it must be fetched."""

    job_id: str
    state: JobState
    code: int
    message: str
    gpu_type: str
    payload: bytes | None


_FRAME_PARTS = 7


def split_replies(data: bytes) -> list[Reply]:
    """Reads what a script published: per job seven texts, each with its length before it."""
    replies = []
    start = 0
    while start < len(data):
        parts = []
        for _ in range(_FRAME_PARTS):
            (size,) = struct.unpack_from("<I", data, start)
            start += 4
            parts.append(data[start : start + size])
            start += size
        job_id, state, code, message, gpu_type, inline, payload = parts
        replies.append(
            Reply(
                job_id.decode(),
                JobState(state.decode()),
                int(code),
                message.decode(),
                gpu_type.decode(),
                payload if inline == b"1" else None,
            )
        )
    return replies
