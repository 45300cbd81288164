"""What an ability has answered: texts as text, JSON as JSON, pictures, sounds and other data as bytes."""

import base64
import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: The member that holds an output's data, by the kind of data.
TEXT = "text"
_DATA = (TEXT, "audio", "image", "video", "other")

_CHARSETS = {"utf8": "utf-8", "gb2312": "gb2312", "gbk": "gbk"}


@dataclass(frozen=True)
class OutputShape:
    """What an ability declares of an output.

    Attributes:
        is_text: whether it is text; else it is data.
        is_json: whether that text is JSON.
    """

    is_text: bool
    is_json: bool = False


#: Output -> its shape.
Shapes = Mapping[str, OutputShape]


class Outputs(Mapping[str, Any]):
    """The outputs of a job by name: `str`, JSON (`dict`, `list`, numbers), or `bytes`.

    Attributes:
        job_id: whose they are.
        warnings: what was odd about the request, such as a PNG that was said to be a JPEG.
    """

    def __init__(
        self, values: Mapping[str, Any], job_id: str, warnings: tuple[Mapping[str, str], ...] = ()
    ) -> None:
        self._values = dict(values)
        self.job_id = job_id
        self.warnings = warnings

    def __getitem__(self, name: str) -> Any:
        try:
            return self._values[name]
        except KeyError:
            there = ", ".join(self._values) or "none"
            raise KeyError(f"the answer has no output {name!r}; it has: {there}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        shown = {name: _short(value) for name, value in self._values.items()}
        return f"Outputs({shown}, job_id={self.job_id!r})"

    @property
    def only(self) -> Any:
        """The one output that there is.

        Raises:
            LookupError: there is none, or there are several.
        """
        if len(self._values) != 1:
            there = ", ".join(self._values) or "none"
            raise LookupError(f"there is not one output; there are: {there}")
        return next(iter(self._values.values()))


def _short(value: Any) -> Any:
    return f"<{len(value)} bytes>" if isinstance(value, bytes) else value


def read_plain(document: Mapping[str, Any], shapes: Shapes) -> dict[str, Any]:
    """Returns outputs of a plain answer; what nobody declares stays as it came."""
    return {name: _of_plain(value, shapes.get(name)) for name, value in document.items()}


def _of_plain(value: Any, shape: OutputShape | None) -> Any:
    if shape is None or shape.is_text or not isinstance(value, str):
        return value
    return base64.b64decode(value)


def read_payload(payload: Mapping[str, Mapping[str, Any]], shapes: Shapes) -> dict[str, Any]:
    """Returns outputs of an envelope's `payload`."""
    return {
        name: _of_envelope(output, shapes.get(name, OutputShape(is_text=True)))
        for name, output in payload.items()
    }


def _of_envelope(output: Mapping[str, Any], shape: OutputShape) -> Any:
    kind = next((name for name in _DATA if name in output), None)
    value = output.get(kind) if kind else None
    if not isinstance(value, str):
        # Nothing, or JSON that was asked for.
        return value
    data = base64.b64decode(value)
    if kind != TEXT:
        return data
    if output.get("compress") == "gzip":
        data = gzip.decompress(data)
    return _of_text(data, str(output.get("encoding") or ""), shape)


def _of_text(data: bytes, encoding: str, shape: OutputShape) -> Any:
    """Returns a text, or the JSON in it; bytes that are no text stay bytes."""
    try:
        text = data.decode(_CHARSETS.get(encoding, "utf-8"))
        return json.loads(text) if shape.is_json else text
    except UnicodeDecodeError:
        return data
    except ValueError:
        return text
