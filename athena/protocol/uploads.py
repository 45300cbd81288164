"""Requests that come as files and plain fields instead of JSON: from names and bytes to the envelope.

What is made here is validated and run like any other request. docs/protocol.md, 1.6 says how the fields are
named.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pybase64

from athena.errors import Problem, RequestError
from athena.protocol.checks.schema import HEADER_FIELDS
from athena.protocol.envelope import DATA_FIELDS, STATUS_ONCE
from athena.protocol.interface import Interface, ParamSpec
from athena.protocol.sniffing import sniff

#: Members of inputs and outputs that are whole numbers.
_NUMBERS = frozenset(
    (
        "status",
        "seq",
        "sample_rate",
        "channels",
        "bit_depth",
        "frame_size",
        "frame_rate",
        "width",
        "height",
        "timestamp",
    )
)

#: Content type -> encoding, as the protocol names it.
ENCODINGS = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/bmp": "bmp",
    "image/webp": "webp",
    "image/tiff": "tiff",
    "image/gif": "gif",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
}

_CHARSETS = {"utf-8": "utf8", "utf8": "utf8", "us-ascii": "utf8", "gb2312": "gb2312", "gbk": "gbk"}

#: A number as people write it; Python takes `1_0`, `inf` and `nan` for numbers too.
_NUMBER = re.compile(r"[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,3})?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)

#: The first part of a content type -> data type number.
DATA_TYPES = {"text": 0, "audio": 1, "image": 2, "video": 3}


@dataclass(frozen=True)
class Upload:
    """The bytes of one input.

    Attributes:
        key: name of the input; "" for the only one that the ability declares.
        content_type: without parameters, in lower case; "" when the caller said nothing.
        charset: of a text, "" when the caller said nothing.
    """

    key: str
    data: bytes
    content_type: str = ""
    charset: str = ""


def build_envelope(
    interface: Interface,
    fields: Iterable[tuple[str, str]],
    uploads: Iterable[Upload],
    base: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Returns the envelope of a request.

    Args:
        interface: of the ability; it tells inputs, outputs and parameters apart.
        fields: name -> text: `header.NAME`, `parameter.NAME`, `parameter.OUTPUT.ATTRIBUTE`,
            `payload.INPUT.ATTRIBUTE`, or these without their first part where it is clear.
        uploads: the inputs.
        base: an envelope, without the inputs' data, that the rest is put into.

    Raises:
        RequestError: a name or a value cannot be used.
    """
    builder = _Builder(interface, base or {})
    given = list(uploads)
    # Uploads first: by the inputs that are there `INPUT.ATTRIBUTE` is told from other names.
    for upload in given:
        builder.add_upload(upload)
    for name, value in fields:
        builder.add_field(name, value)
    return builder.envelope


class _Builder:
    def __init__(self, interface: Interface, base: Mapping[str, Any]) -> None:
        self._interface = interface
        self._params = {spec.key: spec for spec in interface.params}
        self._header: dict[str, Any] = {"status": STATUS_ONCE, **_object(base, "header", "/header")}
        parameter = _object(base, "parameter", "/parameter")
        own_pointer = f"/parameter/{interface.main_id}"
        self._parameter = _copied(_object(parameter, interface.main_id, own_pointer))
        self._payload = _copied(_object(base, "payload", "/payload"))
        others = {key: value for key, value in parameter.items() if key != interface.main_id}
        self._base = {**base, "parameter": others}

    @property
    def envelope(self) -> dict[str, Any]:
        parameter = {**self._base["parameter"], self._interface.main_id: self._parameter}
        return {**self._base, "header": self._header, "parameter": parameter, "payload": self._payload}

    def add_upload(self, upload: Upload) -> None:
        key = upload.key or self._only_input()
        family = upload.content_type.partition("/")[0]
        type = self._interface.input_types.get(key, DATA_TYPES.get(family, 0))
        node = dict(_object(self._payload, key, f"/payload/{key}"))
        encoding = _encoding(type, upload)
        # What the envelope says counts more than what was found out.
        if encoding:
            node.setdefault("encoding", encoding)
        node.setdefault("status", STATUS_ONCE)
        node[DATA_FIELDS[type]] = pybase64.b64encode_as_string(upload.data)
        self._payload[key] = node

    def add_field(self, name: str, value: str) -> None:
        place, _, rest = name.partition(".")
        if place == "header" and rest:
            self._header[rest] = _header_value(rest, value)
        elif place == "payload" and "." in rest:
            key, _, attribute = rest.partition(".")
            self._set_attribute(self._payload, key, attribute, value)
        elif place == "parameter" and rest:
            self._add_parameter(rest, value)
        elif rest and place in self._payload and place not in self._interface.output_types:
            self._set_attribute(self._payload, place, rest, value)
        elif name in HEADER_FIELDS and name not in self._params:
            self._header[name] = _header_value(name, value)
        else:
            self._add_parameter(name, value)

    def _add_parameter(self, name: str, value: str) -> None:
        key, _, attribute = name.partition(".")
        if attribute:
            self._set_attribute(self._parameter, key, attribute, value)
        else:
            self._parameter[key] = _typed(self._params.get(key), value)

    def _set_attribute(self, objects: dict[str, Any], key: str, attribute: str, value: str) -> None:
        # Other scripts have digits too, which JSON has not; 15 of ours are exact in every parser.
        whole = attribute in _NUMBERS and value.isascii() and value.isdecimal() and len(value) < 16
        node = objects.get(key)
        if not isinstance(node, dict):
            node = objects[key] = {}
        node[attribute] = int(value) if whole else value

    def _only_input(self) -> str:
        keys = list(self._interface.input_types)
        if len(keys) == 1:
            return keys[0]
        declared = ", ".join(keys) or "none"
        problem = Problem("/payload", f"name the input with ?input=KEY; declared are: {declared}")
        raise RequestError("it is not clear which input the body is", problems=(problem,))


def _object(document: Mapping[str, Any], key: str, pointer: str) -> Mapping[str, Any]:
    value = document.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        problem = Problem(pointer, "must be an object")
        raise RequestError("the request does not fit the schema", problems=(problem,))
    return value


def _copied(objects: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an object, and the objects in it, to be written to."""
    return {key: dict(value) if isinstance(value, dict) else value for key, value in objects.items()}


def _encoding(type: int, upload: Upload) -> str:
    if type == 0:
        return _CHARSETS.get(upload.charset.lower(), "")
    return ENCODINGS.get(upload.content_type) or sniff(upload.data)


def _header_value(name: str, value: str) -> Any:
    if name == "status" and value == str(STATUS_ONCE):
        return STATUS_ONCE
    return value.split(";") if name == "patch_id" else value


def _typed(spec: ParamSpec | None, value: str) -> Any:
    """Returns a parameter in the type that it is declared with; what does not look like it stays a text."""
    if spec is None:
        return value
    if spec.json_type == "boolean" and value in ("true", "false"):
        return value == "true"
    if spec.json_type in ("integer", "number") and _NUMBER.fullmatch(value.strip()):
        number = int(value) if _WHOLE.fullmatch(value.strip()) else float(value)
        # `1e999` looks like a number and is read as infinity, which JSON cannot hold.
        return number if number < math.inf and number > -math.inf else value
    return value
