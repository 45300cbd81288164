"""Values by name, as the body of a request: plain JSON, or a form where one of them is data.

A gateway sorts the names by what the ability declares (docs/protocol.md, 1.7 and 1.10).
"""

import json
import mimetypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

#: What an input or a parameter may be.
Value = Any

#: The caller's own id of the job.
REQUEST_ID = "request_id"

#: Whose it is.
APP_ID = "app_id"

JSON = "application/json"


@dataclass(frozen=True)
class File:
    """Data of one input.

    Attributes:
        content_type: "" where the gateway is to look at the first bytes.
    """

    data: bytes
    content_type: str = ""


@dataclass(frozen=True)
class Body:
    """The bytes of a request, and what they are."""

    data: bytes
    content_type: str


@dataclass(frozen=True)
class Form:
    """Fields and files by name, as in docs/protocol.md, 1.7; a gateway reads fields by their declared types.

    Attributes:
        fields: name and text: parameters, inputs that are text, `OUTPUT.ATTRIBUTE`, members of the header.
        files: name and data.
    """

    fields: Sequence[tuple[str, str]] = ()
    files: Sequence[tuple[str, File]] = field(default=())

    def owned(self, request_id: str, app_id: str) -> tuple["Form", str]:
        """Returns it with the id and the owner of its job, unless it names them, and the id that counts."""
        named = {name.removeprefix("header."): text for name, text in self.fields}
        own = ((REQUEST_ID, request_id), (APP_ID, app_id))
        more = [(name, text) for name, text in own if text and name not in named]
        return Form((*self.fields, *more), self.files), named.get(REQUEST_ID, request_id)

    def body(self) -> Body:
        """Returns it as it is sent.

        Raises:
            ValueError: a name cannot be sent.
        """
        # Nothing that is sent can hold it, except by a chance of one to 2**128.
        boundary = os.urandom(16).hex()
        parts = [
            _part(boundary, name, text.encode("utf-8", "surrogatepass"), "") for name, text in self.fields
        ]
        parts += [_part(boundary, name, file.data, file.content_type or _BINARY) for name, file in self.files]
        return Body(
            b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
        )


_BINARY = "application/octet-stream"


def _part(boundary: str, name: str, data: bytes, content_type: str) -> bytes:
    if any(character in name for character in '"\r\n\\') or not name:
        raise ValueError(f"{name!r} cannot be the name of an input or a parameter")
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"'
    if content_type:
        head += f'; filename="data"\r\nContent-Type: {content_type}'
    return head.encode() + b"\r\n\r\n" + data + b"\r\n"


def body_of(values: Mapping[str, Value], expect: Mapping[str, Mapping[str, Any]]) -> Body:
    """Returns the body of a request.

    Args:
        values: inputs, parameters and members of the header by name. Bytes, paths and open files are data; a
            text is a text; all else is JSON; None is left out.
        expect: output -> what is expected of it, such as `{"encoding": "png"}`.

    Raises:
        ValueError: a value cannot be sent; the message names it.
        OSError: a file cannot be read.
    """
    given = named_values(values, expect)
    files = [(name, data_of(value)) for name, value in given.items() if is_data(value)]
    if not files:
        return Body(json_text("a value", {**given, **expect}).encode("utf-8", "surrogatepass"), JSON)
    fields = [(name, _text(name, value)) for name, value in given.items() if not is_data(value)]
    fields += [
        (f"{output}.{name}", _text(name, value))
        for output, attributes in expect.items()
        for name, value in attributes.items()
    ]
    return Form(fields, files).body()


def named_values(values: Mapping[str, Value], expect: Mapping[str, Mapping[str, Any]]) -> dict[str, Value]:
    """Returns the values that are there; None stands for none.

    Raises:
        ValueError: a name is one of a value and of an output.
    """
    given = {name: value for name, value in values.items() if value is not None}
    twice = sorted(given.keys() & expect.keys())
    if twice:
        raise ValueError(f"{twice[0]!r} is a value and an output that something is expected of")
    return given


def is_data(value: Value) -> bool:
    """Whether a value is data, and no JSON."""
    return isinstance(value, bytes | bytearray | memoryview | os.PathLike | File) or hasattr(value, "read")


def data_of(value: bytes | bytearray | memoryview | os.PathLike[str] | File | BinaryIO) -> File:
    """Returns the data of such a value.

    Raises:
        OSError: a file cannot be read.
    """
    if isinstance(value, File):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return File(bytes(value))
    if isinstance(value, os.PathLike):
        return read_file(Path(value))
    data = value.read()
    # A file that was opened as text.
    return File(data.encode() if isinstance(data, str) else data)


def read_file(path: Path) -> File:
    """Returns a file's data; its name says what it is.

    Raises:
        OSError: it cannot be read.
    """
    content_type, packing = mimetypes.guess_type(path.name)
    return File(path.read_bytes(), "" if packing else content_type or "")


def _text(name: str, value: Value) -> str:
    return value if isinstance(value, str) else json_text(name, value)


def json_text(name: str, value: Value) -> str:
    """Returns a value as JSON.

    Raises:
        ValueError: it is none; the message names it.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} cannot be sent as JSON: {error}") from None


def _plain(value: Any) -> Any:
    """Returns numbers and arrays of numpy and its like as Python's own."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON; data is bytes, a Path or an open file")
