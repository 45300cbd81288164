"""All Redis keys and all scripts. Nobody else names a key.

| key | type | holds | lives until |
|---|---|---|---|
| `<service_id>.<gpu type>`, `<service_id>.any` | list | Celery messages, newest left | taken |
| `athena:none` | - | never anything: some scripts begin by deleting it | - |
| `athena:bell:<queue>` | list | one token while the queue may hold a job | taken |
| `athena:job:<id>` | hash | the job's record | record TTL after its final state |
| `athena:payload:<id>` | string | inputs too large for the message | the final state |
| `athena:result:<id>` | string | JSON of the answer's payload | result TTL after the final state |
| `athena:request:<request_id>` | hash | app_id -> job id, body hash | as its job's record |
| `athena:inflight:<incarnation>` | hash | job id -> message of held jobs | given back, finished, fenced |
| `athena:workers` | hash | incarnation -> what it serves | stopped, fenced |
| `athena:beats` | hash | incarnation -> heartbeat counter, kept by its supervisor | stopped, fenced |
| `athena:failures` | hash | service_id -> why its last worker did not start | one starts |
| `athena:abilities` | hash | service_id -> its interface (JSON); outlives the workers | for ever |
| `athena:reply:<gateway>` | channel | jobs that ended and for which this gateway waits | - |

Every script is atomic and may be repeated: what was done already by the same token counts as done.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from typing import Any

from athena.errors import WorkerLostError
from athena.jobs import JobRecord, JobState, Outcome

Arg = str | bytes | int
Command = tuple[Arg, ...]

WORKERS = "athena:workers"
BEATS = "athena:beats"
ABILITIES = "athena:abilities"
FAILURES = "athena:failures"

#: How long inputs may lie beside a message that was not submitted yet.
ORPHAN_TTL_S = 120


def payload_key(job_id: str) -> str:
    """Key of the inputs that lie beside the message."""
    return f"athena:payload:{job_id}"


def result_key(job_id: str) -> str:
    """Key of the answer's payload."""
    return f"athena:result:{job_id}"


def bell_key(queue: str) -> str:
    """Key of the list that an idle worker blocks on."""
    return f"athena:bell:{queue}"


def request_key(request_id: str) -> str:
    """Key that maps a caller's own id to the job, per app_id."""
    return f"athena:request:{request_id}"


def reply_channel(gateway: str) -> str:
    """Channel on which a gateway hears of jobs that ended."""
    return f"athena:reply:{gateway}"


class Script:
    """A Lua script of the folder `athena/scripts`, with the parts of `scripts/lib` that it needs before it.

    Redis runs these parts anew on each call, so a script gets no more than it uses.

    A script's first writes are deletes: Redis at its memory limit refuses a script whose first write needs
    memory and lets one pass whose first write frees some, so that a full Redis can still finish its jobs.
    """

    def __init__(self, name: str, *parts: str) -> None:
        self.name = name
        self._parts = parts

    @cached_property
    def source(self) -> str:
        """The text that Redis runs."""
        folder = resources.files("athena") / "scripts"
        files = [folder / "lib" / f"{part}.lua" for part in ("keys", *self._parts)]
        files.append(folder / f"{self.name}.lua")
        return "".join(file.read_text(encoding="utf-8") for file in files)

    @cached_property
    def sha(self) -> str:
        """What EVALSHA names it by."""
        return hashlib.sha1(self.source.encode()).hexdigest()

    def call(self, keys: Iterable[str] = (), args: Iterable[Arg] = ()) -> Command:
        """Returns the command that runs the script."""
        keys = tuple(keys)
        return ("EVALSHA", self.sha, len(keys), *keys, *args)


SUBMIT = Script("submit", "clock", "bell", "waiting")
TAKE = Script("take", "clock", "bell", "settle")
START = Script("start", "clock")
FINISH = Script("finish", "clock", "settle")
GIVE_BACK = Script("give_back", "bell", "put_back")
RECONCILE = Script("reconcile", "bell", "put_back")
FENCE = Script("fence", "clock", "settle")
BEAT = Script("beat")
READ = Script("read", "clock", "waiting", "settle")
LEAVE = Script("leave", "clock", "settle")

SCRIPTS = (SUBMIT, TAKE, START, FINISH, GIVE_BACK, RECONCILE, FENCE, BEAT, READ, LEAVE)


def script_of(command: Command) -> Script | None:
    """Returns the script that a command runs, for loading it when Redis does not know it."""
    if command[0] != "EVALSHA":
        return None
    return next(script for script in SCRIPTS if script.sha == command[1])


@dataclass(frozen=True)
class Submission:
    """A job on its way into a queue.

    Attributes:
        gateway: id of the gateway that waits for it, "" if none does.
        abandonable: whether it is canceled when nobody waits any more.
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
    max_queue_jobs: int
    max_queue_s: float
    result_ttl_s: float
    record_ttl_s: float


def submit_command(job: Submission) -> Command:
    """Puts a job into its queue, or finds the one that has its request_id."""
    record: list[Arg] = [
        "service_id",
        job.service_id,
        "result_ttl_ms",
        int(job.result_ttl_s * 1000),
        "record_ttl_ms",
        int(job.record_ttl_s * 1000),
    ]
    if job.request_id:
        record += ["request_id", job.request_id]
    if job.abandonable:
        record += ["abandonable", 1]
    known_as = request_key(job.request_id) if job.request_id else ""
    return SUBMIT.call(
        (job.queue, known_as),
        (
            job.job_id,
            job.message,
            job.max_queue_jobs,
            job.gateway,
            job.body_hash,
            "1" if job.claim else "0",
            int(job.max_queue_s * 1000),
            job.app_id,
            *record,
        ),
    )


@dataclass(frozen=True)
class TakenJob:
    """A job that a worker holds; only the holder of its current token can finish it."""

    job_id: str
    token: str
    queue: str
    message: bytes


def take_command(
    incarnation: str, queues: list[str], count: int, result_ttl_s: float, record_ttl_s: float
) -> Command:
    """Moves up to `count` jobs to a worker."""
    ttls = (int(result_ttl_s * 1000), int(record_ttl_s * 1000))
    return TAKE.call(queues, (incarnation, count, *ttls))


def taken_jobs(reply: Any) -> list[TakenJob] | None:
    """Reads the answer of `take_command`; None means that the worker is fenced."""
    if reply is None:
        return None
    return [TakenJob(item[0].decode(), item[1].decode(), item[2].decode(), item[3]) for item in reply]


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


def give_back_command(incarnation: str, jobs: Iterable[tuple[str, str]]) -> Command:
    """Returns jobs, each an id and a token in the order they were taken, to their queues."""
    backwards = reversed(list(jobs))
    return GIVE_BACK.call((), (incarnation, *(item for job in backwards for item in job)))


def reconcile_command(incarnation: str, job_ids: Iterable[str]) -> Command:
    """Returns what Redis counts as held by a worker that holds only `job_ids`."""
    return RECONCILE.call((), (incarnation, *job_ids))


def fence_command(incarnation: str, state: JobState, code: int, message: str) -> Command:
    """Shuts a dead worker out and ends its jobs: those that ran in `state`, the others as lost with it."""
    lost = "the worker process died before it came to the job"
    return FENCE.call((), (incarnation, str(state), code, message, WorkerLostError.code, lost))


def beat_command(incarnations: Iterable[str]) -> Command:
    """Counts one heartbeat of each worker; the answer lists those that are fenced."""
    return BEAT.call((), incarnations)


def read_command(job_id: str, gateway: str = "") -> Command:
    """Reads a job; with `gateway`, that gateway hears when it ends."""
    return READ.call((), (job_id, gateway))


def job_record(job_id: str, reply: Any) -> JobRecord | None:
    """Reads the answer of `read_command`; None for an unknown job."""
    flat, result = reply
    if not flat:
        return None
    record: Mapping[bytes, bytes] = dict(zip(flat[::2], flat[1::2], strict=True))
    return JobRecord.decode(job_id, record, result)


def find_command(request_id: str) -> Command:
    """Looks a caller's own id up."""
    return ("HGETALL", request_key(request_id))


def found_jobs(reply: Any) -> dict[str, str]:
    """Reads the answer of `find_command`: app_id -> job id."""
    return {
        app_id.decode(): value.decode().partition(" ")[0]
        for app_id, value in zip(reply[::2], reply[1::2], strict=True)
    }


def leave_command(job_id: str, gateway: str) -> Command:
    """Tells that nobody at this gateway waits for the job any more."""
    return LEAVE.call((), (job_id, gateway))


@dataclass(frozen=True)
class Reply:
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
