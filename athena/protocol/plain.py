"""The plain form: one JSON object, inputs and parameters by name, and outputs by name for an answer.

A plain request becomes an envelope before anything judges it, and the answer's outputs come from the
envelope's, so both forms run the same. docs/protocol.md, 1.10 says what is written how.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
import pybase64

from athena.errors import Problem, RequestError
from athena.protocol.checks.schema import HEADER_FIELDS, HINTS
from athena.protocol.codings import GZIP
from athena.protocol.envelope import DATA_FIELDS, STATUS_ONCE
from athena.protocol.interface import DataSpec, Interface
from athena.protocol.references import HTTP, SOURCE, URL
from athena.protocol.sniffing import sniff
from athena.protocol.uploads import DATA_TYPES, ENCODINGS

#: Whose jobs are whose caller says no app_id, where no key says it either.
ANONYMOUS = "anonymous"

#: One of these makes a request an envelope.
ENVELOPE = frozenset(("header", "parameter", "payload"))

_TEXT, _TEXT_FIELD = 0, DATA_FIELDS[0]

#: Returns the envelope of a plain request.
EnvelopeMaker = Callable[[Mapping[str, Any]], dict[str, Any]]

#: So much base64 is looked at to find out what it is; a whole number of its groups of four.
_SNIFFED = 64


def is_plain(document: Any) -> bool:
    """Whether a request's JSON is in the plain form."""
    return type(document) is dict and ENVELOPE.isdisjoint(document)


def plain_envelope(interface: Interface, document: Mapping[str, Any], app_id: str) -> dict[str, Any]:
    """Returns the envelope of a plain request.

    Args:
        interface: of the ability; it tells inputs, outputs and parameters apart.
        document: the request, its whole numbers exact.
        app_id: whose job it is where the request does not say.

    Raises:
        RequestError: an input cannot be what was sent.
    """
    header: dict[str, Any] = {"app_id": app_id, "status": STATUS_ONCE}
    parameter: dict[str, Any] = {}
    payload: dict[str, Any] = {}
    inputs, params, outputs = interface.input_specs, interface.param_keys, interface.output_types
    for name, value in document.items():
        if name in inputs:
            if value is not None:
                payload[name] = _input(inputs[name], value)
        elif name in params or name in HINTS:
            parameter[name] = value
        elif name in outputs and isinstance(value, dict):
            # An output is JSON or text by its declaration here.
            parameter[name] = {key: item for key, item in value.items() if key != "format"}
        elif name in HEADER_FIELDS:
            header[name] = value
        elif interface.is_permissive and _is_data(value):
            payload[name] = _undeclared(name, value)
        else:
            parameter[name] = value
    return {"header": header, "parameter": {interface.main_id: parameter}, "payload": payload}


def _input(spec: DataSpec, value: Any) -> dict[str, Any]:
    if spec.type == _TEXT:
        is_text = isinstance(value, str) and not spec.is_json
        return _text(value.encode("utf-8", "surrogatepass") if is_text else _json(spec.key, value))
    if isinstance(value, dict):
        # As in the envelope, to say more than what the data is.
        return {"status": STATUS_ONCE, **value}
    if not isinstance(value, str):
        raise _problem(spec.key, "must be base64, a data: URL, or an http(s): URL")
    return _binary(spec.key, DATA_FIELDS[spec.type], value)


def _text(data: bytes) -> dict[str, Any]:
    return {_TEXT_FIELD: pybase64.b64encode_as_string(data), "status": STATUS_ONCE}


def _json(key: str, value: Any) -> bytes:
    try:
        return orjson.dumps(value)
    except TypeError:
        # A whole number of more than 64 bits, or half a surrogate pair.
        return json.dumps(value).encode()
    except RecursionError:
        raise _problem(key, "is nested too deeply") from None


def _binary(key: str, field: str, value: str) -> dict[str, Any]:
    if value.startswith(("http://", "https://")):
        return {SOURCE: HTTP, URL: value, "status": STATUS_ONCE}
    media_type, data = _split_url(key, value) if value.startswith("data:") else ("", value)
    encoding = ENCODINGS.get(media_type) or _sniffed(data)
    described = {"encoding": encoding} if encoding else {}
    return {field: data, "status": STATUS_ONCE, **described}


def _split_url(key: str, url: str) -> tuple[str, str]:
    """Returns the media type and the base64 of a data: URL (RFC 2397)."""
    head, comma, data = url[len("data:") :].partition(",")
    media_type, *options = head.split(";")
    if not comma or "base64" not in options:
        raise _problem(key, "must be base64, or a data: URL that says ;base64")
    return media_type.strip().lower(), data


def _sniffed(data: str) -> str:
    try:
        return sniff(pybase64.b64decode(data[:_SNIFFED], validate=True))
    except ValueError:
        # Broken into lines, or no base64, which is said when it is decoded.
        return ""


def _is_data(value: Any) -> bool:
    """Whether an undeclared value becomes an input; a text is a parameter, as in forms."""
    return isinstance(value, dict | list) or (isinstance(value, str) and value.startswith("data:"))


def _undeclared(key: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, str):
        return _text(_json(key, value))
    family = value[len("data:") :].partition("/")[0].lower()
    return _binary(key, DATA_FIELDS[DATA_TYPES.get(family, 4)], value)


def _problem(key: str, detail: str) -> RequestError:
    return RequestError("the request does not fit the schema", problems=(Problem(f"/payload/{key}", detail),))


def plain_problems(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Returns what is wrong with an envelope, with pointers into the plain request that it was made of."""
    return tuple(Problem(_plain_pointer(item.pointer), item.detail) for item in problems)


def _plain_pointer(pointer: str) -> str:
    _, _, inside = pointer.partition("/")
    place, _, rest = inside.partition("/")
    if place == "parameter":
        rest = rest.partition("/")[2]
    elif place == "payload":
        # What an input's object holds was not written by the caller.
        rest = rest.partition("/")[0]
    return f"/{rest}" if rest else ""


def plain_body(payload: bytes, json_keys: frozenset[str]) -> bytes:
    """Returns the JSON of a plain answer.

    Args:
        payload: what `envelope.render_payload` has written.
        json_keys: the outputs that are JSON.
    """
    rendered = orjson.loads(payload or b"{}")
    return orjson.dumps({key: _value(output, key in json_keys) for key, output in rendered.items()})


def _value(output: Mapping[str, Any], is_json: bool) -> Any:
    """Returns a text as text, JSON as JSON, and all other data as base64."""
    text = output.get(_TEXT_FIELD)
    if text is None:
        return next((output[field] for field in DATA_FIELDS.values() if field in output), None)
    if not isinstance(text, str) or output.get("compress") == GZIP:
        return text
    try:
        data = pybase64.b64decode(text, validate=True)
        return _json_or(data) if is_json else data.decode()
    except ValueError:
        # In another encoding, which the caller has asked for.
        return text


def _json_or(data: bytes) -> Any:
    try:
        orjson.loads(data)
        # Not written anew: numbers and the order of members stay the wrapper's.
        return orjson.Fragment(data)
    except orjson.JSONDecodeError:
        return data.decode()
