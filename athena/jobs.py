"""A job: its states, the queue message that carries it, and the record that Redis keeps of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pybase64

from athena.errors import RequestError, one_line
from athena.protocol import InputValue

MESSAGE_VERSION = 1


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
class MessageInput:
    """One input in a queue message; `text` is base64, or None when the bytes lie beside the message."""

    key: str
    type: int
    status: int
    size: int
    text: str | None
    attributes: dict[str, str]


@dataclass(frozen=True)
class JobMessage:
    """What a worker needs to run a job; the single argument of the Celery task.

    Attributes:
        inputs: in the order of the request. When `claim` is set, their bytes lie one after the other in the
            payload key of the job.
        expected: output key -> attributes that the answer echoes.
        resource_id: the personalised resource that the caller named; "" for none.
    """

    job_id: str
    service_id: str
    params: dict[str, str]
    inputs: tuple[MessageInput, ...]
    expected: dict[str, dict[str, Any]]
    claim: bool = False
    resource_id: str = ""

    def encode(self) -> dict[str, Any]:
        """Returns the message as a JSON object."""
        document: dict[str, Any] = {
            "v": MESSAGE_VERSION,
            "id": self.job_id,
            "service_id": self.service_id,
            "params": self.params,
            "inputs": [
                [item.key, item.type, item.status, item.size, item.text, item.attributes]
                for item in self.inputs
            ],
            "expected": self.expected,
            "claim": self.claim,
        }
        if self.resource_id:
            document["resource_id"] = self.resource_id
        return document

    @classmethod
    def decode(cls, document: Mapping[str, Any]) -> "JobMessage":
        """Reads what `encode` wrote; unknown members are ignored.

        Raises:
            RequestError: the message's version is not known here, or a member is missing.
        """
        if document.get("v") != MESSAGE_VERSION:
            raise RequestError(
                f"queue message version {document.get('v')!r} is not known here; "
                f"this worker reads {MESSAGE_VERSION}"
            )
        try:
            return cls(
                job_id=document["id"],
                service_id=document["service_id"],
                params=document["params"],
                inputs=tuple(MessageInput(*item) for item in document["inputs"]),
                expected=document["expected"],
                claim=document["claim"],
                resource_id=document.get("resource_id", ""),
            )
        except (KeyError, TypeError) as error:
            raise RequestError(f"the queue message is malformed: {one_line(error)}") from None


def make_message(
    job_id: str,
    service_id: str,
    params: dict[str, str],
    inputs: list[InputValue],
    expected: dict[str, dict[str, Any]],
    inline_limit_bytes: int,
    resource_id: str = "",
) -> tuple[JobMessage, bytes | None]:
    """Returns the queue message, and the bytes that must lie beside it when they are over the limit."""
    claim = sum(len(item.data) for item in inputs) > inline_limit_bytes
    message = JobMessage(
        job_id=job_id,
        service_id=service_id,
        params=params,
        inputs=tuple(
            MessageInput(
                item.key,
                item.type,
                item.status,
                len(item.data),
                None if claim else item.text,
                item.attributes,
            )
            for item in inputs
        ),
        expected=expected,
        claim=claim,
        resource_id=resource_id,
    )
    return message, _join(inputs) if claim else None


def _join(inputs: list[InputValue]) -> bytes:
    return inputs[0].data if len(inputs) == 1 else b"".join(item.data for item in inputs)


def input_bytes(message: JobMessage, payload: bytes | None) -> list[bytes]:
    """Returns the bytes of each input, from the message itself or from `payload` beside it."""
    if not message.claim:
        return [pybase64.b64decode(item.text or "") for item in message.inputs]
    if payload is None:
        raise ValueError(f"payload of job {message.job_id} is gone")
    if len(message.inputs) == 1:
        return [payload]
    pieces = []
    start = 0
    for item in message.inputs:
        pieces.append(payload[start : start + item.size])
        start += item.size
    return pieces


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
