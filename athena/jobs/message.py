"""The queue message: what a worker needs to run a job."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pybase64

from athena.errors import NewerMessageError, RequestError
from athena.plain_text import clipped, one_line
from athena.protocol.envelope import InputValue

#: Rises when readers of the version before would misread a message; later ones read all before. What readers
#: may ignore needs no new version.
MESSAGE_VERSION = 1

#: Members that a reader may be told to understand (`needs`).
MEMBERS = frozenset(
    (
        *("v", "needs", "id", "service_id", "params", "inputs", "expected"),
        *("claim", "interface", "resource_id", "max_exec_s", "trace"),
    )
)


class MessageInput(NamedTuple):
    """One input in a queue message; `text` is base64, or None when the bytes lie beside the message."""

    key: str
    type: int
    status: int
    size: int
    text: str | None
    attributes: dict[str, str]


class JobMessage(NamedTuple):
    """What a worker needs to run a job; the single argument of the Celery task.

    Attributes:
        inputs: in the order of the request. When `claim` is set, their bytes lie one after the other in the
            payload key of the job.
        expected: output key -> attributes that the answer echoes.
        resource_id: the personalised resource that the caller named; "" for none.
        max_exec_s: how long it may run; 0 for as long as the ability allows.
        interface: digest of the interface by which the request was checked (see `Interface.digest`).
        trace: of which trace it is, and when it was sent; "" where it is not traced.
    """

    job_id: str
    service_id: str
    params: dict[str, str]
    inputs: tuple[MessageInput, ...]
    expected: dict[str, dict[str, Any]]
    claim: bool = False
    resource_id: str = ""
    max_exec_s: float = 0
    interface: str = ""
    trace: str = ""

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
            "interface": self.interface,
        }
        if self.resource_id:
            document["resource_id"] = self.resource_id
        if self.max_exec_s:
            document["max_exec_s"] = self.max_exec_s
        if self.trace:
            document["trace"] = self.trace
        return document

    @classmethod
    def decode(cls, document: Mapping[str, Any]) -> "JobMessage":
        """Reads what `encode` wrote; unknown members are ignored, unless `needs` names them.

        Raises:
            NewerMessageError: the message is of a later version, or needs a member that is not known here.
            RequestError: its version is none, or a member is missing.
        """
        check_version(document)
        try:
            message = cls(
                job_id=document["id"],
                service_id=document["service_id"],
                params=document["params"],
                inputs=tuple(MessageInput(*item) for item in document["inputs"]),
                expected=document["expected"],
                claim=document["claim"],
                resource_id=document.get("resource_id", ""),
                max_exec_s=document.get("max_exec_s", 0),
                interface=document.get("interface", ""),
                trace=document.get("trace", ""),
            )
        except (KeyError, TypeError) as error:
            raise RequestError(f"the queue message is malformed: {one_line(error)}") from None
        if not isinstance(message.params, dict):
            raise RequestError("the queue message is malformed: params is no object")
        return message


def check_version(document: Mapping[str, Any]) -> None:
    """Refuses a message that this version does not read.

    Raises:
        NewerMessageError: a later version reads it.
        RequestError: none does.
    """
    version = document.get("v")
    # `type`, not `isinstance`: to Python true is version 1.
    if type(version) is not int or not 0 < version <= MESSAGE_VERSION:
        text = (
            f"queue message version {version!r} is not known here; this worker reads up to {MESSAGE_VERSION}"
        )
        is_newer = type(version) is int and version > MESSAGE_VERSION
        raise NewerMessageError(text) if is_newer else RequestError(text)
    needs = document.get("needs")
    if needs is None:
        return
    if not isinstance(needs, list):
        raise RequestError("the queue message is malformed: needs is no list")
    unknown = sorted(str(name) for name in needs if name not in MEMBERS)
    if unknown:
        raise NewerMessageError(
            f"the queue message needs {clipped(', '.join(unknown), 100)}, which is not known here"
        )


def make_message(
    job_id: str,
    service_id: str,
    params: dict[str, str],
    inputs: list[InputValue],
    expected: dict[str, dict[str, Any]],
    inline_limit_bytes: int,
    resource_id: str = "",
    max_exec_s: float = 0,
    interface: str = "",
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
        max_exec_s=max_exec_s,
        interface=interface,
    )
    return message, _join(inputs) if claim else None


def _join(inputs: list[InputValue]) -> bytes:
    # A large input that is alone, the usual case, is not copied.
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
