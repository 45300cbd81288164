"""A job: its states, the record that Redis keeps of it, and how it ends."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"
    TIMED_OUT = "timed_out"

    @property
    def is_final(self) -> bool:
        """Whether the state never changes any more."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(frozen=True)
class JobRecord:
    """What Redis knows of a job; times are milliseconds since 1970 on Redis' clock, 0 if not yet."""

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

    @classmethod
    def decode(cls, job_id: str, record: Mapping[bytes, bytes], result: bytes | None) -> "JobRecord":
        """Reads the fields of the record's hash."""

        def text(name: bytes) -> str:
            return record.get(name, b"").decode()

        def number(name: bytes) -> int:
            return int(record.get(name) or 0)

        return cls(
            job_id=job_id,
            service_id=text(b"service_id"),
            app_id=text(b"app_id"),
            request_id=text(b"request_id"),
            state=JobState(text(b"state")),
            queue=text(b"queue"),
            gpu_type=text(b"gpu_type"),
            worker=text(b"worker"),
            attempts=number(b"attempts"),
            queued_ms=number(b"queued_ms"),
            started_ms=number(b"started_ms"),
            finished_ms=number(b"finished_ms"),
            code=number(b"code"),
            message=text(b"message"),
            result=result,
        )

    def describe(self) -> dict[str, Any]:
        """Returns the record for callers and operators: everything but the result."""
        described: dict[str, Any] = {
            "id": self.job_id,
            "service_id": self.service_id,
            "state": str(self.state),
            "app_id": self.app_id,
            "request_id": self.request_id or None,
            "queue": self.queue,
            "gpu_type": self.gpu_type or None,
            "attempts": self.attempts,
            "queued_ms": self.queued_ms,
            "started_ms": self.started_ms or None,
            "finished_ms": self.finished_ms or None,
        }
        return described


@dataclass(frozen=True)
class Outcome:
    """How one job ended: what a worker writes into the record.

    Attributes:
        payload: JSON of the answer's `payload`; empty unless succeeded.
        code: ASF error code, 0 when succeeded.
        message: text for the caller; when succeeded, warnings as JSON (`athena.protocol.render_warnings`).
        exec_ms: how long the inference call took that the job was part of.
        batch_size: how many jobs shared that call; 0 for a job that was ended without being started.
    """

    state: JobState
    payload: bytes = b""
    code: int = 0
    message: str = ""
    exec_ms: float = 0.0
    batch_size: int = 1
