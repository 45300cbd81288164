"""A job: its states, the record that Redis keeps of it, and how it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from athena.jobs.timeline import Event, beginning, past_events, told_takes
from athena.protocol.enums import JobState


@dataclass(frozen=True)
class JobRecord:
    """What Redis knows of a job; times are milliseconds since 1970 on Redis' clock, 0 if not yet.

    Attributes:
        attempts: how often a worker began to run it.
        deaths: how many workers died under it.
        last_failure: why its last attempt came to nothing; "" if none did.
        progress: what the wrapper said of it, from 0 to 1; None if it said nothing.
        position: about how many jobs are before it in its queue, itself included; 0 when it does not queue.
        is_held: whether a worker has taken it, though it may not run yet.
        is_paused: whether its queue is.
        retry_ms: when it is tried again after a failure; 0 if it is not.
        place: where in the source of its ability its call failed; "" where that is not known.
        take: which take the worker's is that has it, or had it at its end (`athena.jobs.timeline.Take`).
        past: its attempts that came to nothing (`athena.jobs.timeline`).
        queue_waits: why its queue waits for other workers than those that looked at it; "" if it does not.
    """

    job_id: str
    service_id: str
    app_id: str
    request_id: str
    state: JobState
    queue: str
    gpu_type: str
    worker: str
    attempts: int
    queued_ms: int
    started_ms: int
    finished_ms: int
    code: int
    message: str
    result: bytes | None = None
    deaths: int = 0
    last_failure: str = ""
    progress: float | None = None
    exec_ms: float = 0.0
    batch_size: int = 0
    retry_of: str = ""
    position: int = 0
    is_held: bool = False
    is_paused: bool = False
    queue_waits: str = ""
    retry_ms: int = 0
    place: str = ""
    take: str = ""
    past: str = ""

    @classmethod
    def decode(
        cls,
        job_id: str,
        record: Mapping[bytes, bytes],
        result: bytes | None = None,
        position: int = 0,
        is_paused: bool = False,
        queue_waits: str = "",
    ) -> "JobRecord":
        """Reads the fields of the record's hash; what most jobs have in common is left out there."""

        def text(name: bytes) -> str:
            # A reason that was cut may end within a character.
            return record.get(name, b"").decode(errors="replace")

        def number(name: bytes) -> int:
            return int(record.get(name) or 0)

        exec_ms = float(record.get(b"exec_ms") or 0)
        has_run = b"exec_ms" in record
        # A job that told its start with its end has no `started_ms`, and no attempts if it was the first.
        began_ms = number(b"finished_ms") - int(exec_ms) if has_run else 0

        return cls(
            job_id=job_id,
            service_id=text(b"service_id"),
            app_id=text(b"app_id"),
            request_id=text(b"request_id"),
            state=JobState(text(b"state")),
            queue=text(b"queue"),
            gpu_type=text(b"gpu_type"),
            worker=text(b"worker"),
            attempts=number(b"attempts") or int(has_run),
            queued_ms=number(b"queued_ms"),
            started_ms=number(b"started_ms") or began_ms,
            finished_ms=number(b"finished_ms"),
            code=number(b"code"),
            message=text(b"message"),
            result=result,
            deaths=number(b"deaths"),
            last_failure=text(b"last_failure"),
            progress=float(record[b"progress"]) if record.get(b"progress") else None,
            exec_ms=exec_ms,
            batch_size=number(b"batch_size") or int(has_run),
            retry_of=text(b"retry_of"),
            position=position,
            is_held=bool(record.get(b"token")),
            is_paused=is_paused,
            queue_waits=queue_waits,
            retry_ms=number(b"retry_ms") if record.get(b"state") == b"queued" else 0,
            place=text(b"place"),
            take=text(b"token").partition(":")[0],
            past=text(b"past"),
        )

    def describe(self) -> dict[str, Any]:
        """Returns the record for callers and operators: everything but the result."""
        return {
            "id": self.job_id,
            "service_id": self.service_id,
            "state": str(self.state),
            "app_id": self.app_id,
            "request_id": self.request_id or None,
            "retry_of": self.retry_of or None,
            "queue": self.queue,
            "position": self.position or None,
            "gpu_type": self.gpu_type or None,
            "worker": self.worker or None,
            "attempts": self.attempts,
            "deaths": self.deaths,
            "last_failure": self.last_failure or None,
            "retry_at_ms": self.retry_ms or None,
            "progress": self.progress,
            "queued_ms": self.queued_ms,
            "started_ms": self.started_ms or None,
            "finished_ms": self.finished_ms or None,
            "exec_ms": self.exec_ms or None,
            "batch_size": self.batch_size or None,
            "code": self.code if self.state.is_final else None,
            "message": (self.message or None) if self.code else None,
            "place": self.place or None,
        }

    def timeline(self) -> list[Event]:
        """Returns what happened to the job, in its order, as far as the record tells."""
        events = [Event(self.queued_ms, "submitted"), *past_events(self.past)]
        # One that ended with its worker's death is among these, and nobody has begun another.
        if self.take and self.take not in told_takes(self.past):
            started_ms = max(self.started_ms, self.queued_ms) if self.started_ms else 0
            events += beginning(self.take, started_ms, self.worker)
        if self.state.is_final:
            detail = (self.message if self.code else "") + (f" ({self.place})" if self.place else "")
            events.append(Event(self.finished_ms, str(self.state), detail=detail))
        return events


class Outcome(NamedTuple):
    """How one job ended: what a worker writes into the record.

    Attributes:
        payload: JSON of the answer's `payload`; empty unless succeeded.
        code: ASF error code, 0 when succeeded.
        message: text for the caller; when succeeded, warnings as JSON (`envelope.render_warnings`).
        exec_ms: how long the inference call took that the job was part of.
        batch_size: how many jobs shared that call; 0 for a job that was ended without being started.
        retry_after_s: when a failed job is tried again; None if it is not.
        place: where in the ability's source it failed; "" where that is not known.
    """

    state: JobState
    payload: bytes = b""
    code: int = 0
    message: str = ""
    exec_ms: float = 0.0
    batch_size: int = 1
    retry_after_s: float | None = None
    place: str = ""
