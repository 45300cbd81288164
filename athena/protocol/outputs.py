"""Reads an output back out of an answer's rendered `payload`, for callers who want its bytes alone."""

import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pybase64

from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.interface import DataSpec
from athena.protocol.sniffing import sniff

JSON = "application/json"
BINARY = "application/octet-stream"

TEXT = DATA_FIELDS[0]

_CHARSETS = {"utf8": "utf-8", "gb2312": "gb2312", "gbk": "gbk"}
_FAMILIES = {"image": "image/", "audio": "audio/", "video": "video/"}


@dataclass(frozen=True)
class RenderedOutput:
    """An output's bytes, and what kind of content they are."""

    data: bytes
    content_type: str


#: Output -> what its ability declares.
Declared = Mapping[str, DataSpec]

_UNDECLARED = DataSpec("")


def read_output(payload: bytes, key: str, declared: Declared) -> RenderedOutput | None:
    """Returns an output of what `envelope.render_payload` has written; None where there is none."""
    output = orjson.loads(payload or b"{}").get(key)
    field = _field_of(output) if output is not None else None
    return _read(field, output, declared.get(key, _UNDECLARED)) if field is not None else None


def data_outputs(payload: bytes, declared: Declared) -> list[RenderedOutput]:
    """Returns the outputs that are no text."""
    rendered = orjson.loads(payload or b"{}").items()
    fields = ((key, _field_of(output), output) for key, output in rendered)
    return [
        _read(field, output, declared.get(key, _UNDECLARED))
        for key, field, output in fields
        if field and field != TEXT
    ]


def _field_of(output: Mapping[str, Any]) -> str | None:
    return next((name for name in DATA_FIELDS.values() if name in output), None)


def _read(field: str, output: Mapping[str, Any], declared: DataSpec) -> RenderedOutput:
    data = _decode(output[field])
    if data is None:
        return RenderedOutput(orjson.dumps(output[field]), JSON)
    if not output.get("encoding") and not output.get("compress"):
        return RenderedOutput(data, _told_type(field, data, declared) or content_type(field, output))
    return RenderedOutput(data, content_type(field, output))


def _told_type(field: str, data: bytes, declared: DataSpec) -> str:
    """Returns the content type that data and its declaration tell; "" where they tell none."""
    if field == TEXT:
        return JSON if declared.is_json and _is_json(data) else ""
    # What the bytes are counts more than what they should be.
    found = sniff(data) or declared.encoding
    if field == "other" and declared.encoding:
        # Its caller could name anything here; an author knows.
        guessed, packing = mimetypes.guess_type(f"x.{declared.encoding}", strict=False)
        return guessed if guessed and not packing else BINARY
    return content_type(field, {"encoding": found})


def _is_json(data: bytes) -> bool:
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _decode(value: Any) -> bytes | None:
    """Returns data that was rendered as base64; None for JSON that was embedded."""
    if not isinstance(value, str):
        return None
    try:
        return pybase64.b64decode(value, validate=True)
    except ValueError:
        return None


def content_type(field: str, attributes: Mapping[str, Any]) -> str:
    """Returns the content type that an output's attributes tell; packed and unknown data is binary."""
    if attributes.get("compress") == "gzip":
        return "application/gzip"
    encoding = str(attributes.get("encoding") or "")
    if field == "text":
        return f"text/plain; charset={_CHARSETS.get(encoding, 'utf-8')}"
    guessed, _ = mimetypes.guess_type(f"x.{encoding}", strict=False)
    # No type begins with a slash, so `other` data is binary whatever its encoding is called.
    return guessed if guessed and guessed.startswith(_FAMILIES.get(field, "/")) else BINARY
