"""What gateways do with jobs in Redis: commands, and how their answers are read."""

import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from athena.jobs.record import JobRecord
from athena.protocol.enums import JobState
from athena.store.keys import request_key
from athena.store.scripts import (
    CANCEL,
    LEAVE,
    READ,
    REQUEUE,
    SUBMIT,
    Arg,
    Command,
    pairs,
)

#: How long inputs may lie beside a message that was not submitted yet.
ORPHAN_TTL_S = 120

#: `abandonable` of a job that is nobody's. Of one that is its caller's alone: for how many milliseconds
#: the record is kept if the job does not succeed, or 1.
CANARY = 2


class Submission(NamedTuple):
    """A job on its way into a queue.

    Attributes:
        gateway: id of the gateway that waits for it, "" if none does.
        abandonable: whether it is canceled when nobody waits any more.
        failure_ttl_s: how long the record of an abandonable one is kept if it does not succeed.
        is_canary: whether it is nobody's, in no list, and nothing of it is kept. Then it is abandonable.
        claim: whether the inputs lie beside the message.
        bytes: size of message and inputs.
        max_open_bytes: for all open jobs of the ability together; a single job always fits.
        retry_of: the job that is tried again.
        quota: the app that it is counted for, and its limits (`athena.access.quotas`); "" where it is not.
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
    quota: str = ""
    is_canary: bool = False
    failure_ttl_s: float = 0.0


def submit_command(jobs: Iterable[Submission]) -> Command:
    """Puts jobs, some hundreds at most, into their queues; one whose request_id is known is found instead.

    The answer holds one verdict per job (`athena.store.verdicts`).
    """
    keys: list[str] = []
    args: list[Arg] = []
    for job in jobs:
        keys += _keys_of(job)
        args += _args_of(job)
    return SUBMIT.call(keys, args)


def requeue_command(dead_id: str, job: Submission) -> Command:
    """Puts a job into its queue that tries a dead letter again, and takes that letter off the list.

    The answer is a verdict (`athena.store.verdicts`).
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
        job.quota,
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
    if job.quota:
        record += ["meter", job.quota.partition("\0")[0]]
    if job.home:
        record += ["home", job.home]
    if job.abandonable:
        # The TTL is no field of its own: all jobs would pay for those that fail.
        record += ["abandonable", CANARY if job.is_canary else max(1, int(job.failure_ttl_s * 1000))]
    return record


def cancel_command(job_ids: Iterable[str], reason: str) -> Command:
    """Cancels jobs; the answer holds the state of each before, "" for an unknown one."""
    return CANCEL.call((), (reason, *job_ids))


def canceled_states(reply: Any) -> list[JobState | None]:
    """Reads the answer of `cancel_command`."""
    return [JobState(state.decode()) if state else None for state in reply]


def read_command(job_id: str, gateway: str = "") -> Command:
    """Reads a job; with `gateway`, that gateway hears when it ends."""
    return READ.call((), (job_id, gateway))


def job_record(job_id: str, reply: Any) -> JobRecord | None:
    """Reads the answer of `read_command`; None for an unknown job."""
    flat, result, given_out, is_paused, waits = reply
    if not flat:
        return None
    record = pairs(flat)
    reason = (waits or b"").decode(errors="replace")
    return JobRecord.decode(
        job_id, record, result, position_of(record, given_out), is_paused is not None, reason
    )


def position_of(record: Mapping[bytes, bytes], given_out: bytes | None) -> int:
    """Returns about how far a job is from the head of its queue; 0 for one that does not lie in it.

    Args:
        record: the fields of its hash.
        given_out: the number of the job that its queue gave out last.
    """
    if record.get(b"state") != b"queued" or record.get(b"token"):
        return 0
    # A job that was put back keeps its number, which its queue has passed.
    return max(1, int(record.get(b"seq") or 0) - int(given_out or 0))


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
        # `inline` is a flag of its own: an empty payload may be one that was left out, or all there is.
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
