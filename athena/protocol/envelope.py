"""The ASF envelope: from a request's JSON to parameters and inputs, from outputs to a response's JSON.

Pure functions; what they follow is written in docs/protocol.md. The envelope was validated before
(`athena.protocol.checks.schema`).
"""

import os
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson
import pybase64

from athena.errors import Problem, RequestError
from athena.protocol.codings import GZIP, encode_output
from athena.protocol.paths import main_of

STATUS_ONCE = 3

#: Data type number -> the field of a payload object that carries the data.
DATA_FIELDS = {0: "text", 1: "audio", 2: "image", 3: "video", 4: "other"}


class InputValue(NamedTuple):
    """One input of a request.

    Attributes:
        key: its name in the request's payload.
        type: data type number.
        status: 3 for a whole request in one message.
        text: the data as the caller sent it, base64.
        data: the data decoded.
        attributes: the other members of the payload object, as strings.
    """

    key: str
    type: int
    status: int
    text: str
    data: bytes
    attributes: dict[str, str]


class OutputValue(NamedTuple):
    """One output of a job."""

    key: str
    type: int
    status: int
    data: bytes


def new_job_id() -> str:
    """Returns a fresh id: 32 hexadecimal digits."""
    return os.urandom(16).hex()


def flatten(value: Any) -> str:
    """Returns a member of the envelope as the string that a wrapper sees (protocol 1.2)."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, list):
        return ";".join(flatten(item) for item in value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, dict):
        return orjson.dumps(value).decode()
    return str(value)


def split_parameters(
    given: Mapping[str, Any], outputs: Mapping[str, int]
) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """Splits `parameter.<service_id>` into the wrapper's parameters and the expected outputs.

    Args:
        given: the object, validated.
        outputs: output key -> data type number, as the ability declares them.

    Returns:
        The scalars as strings, and per expected output the attributes that the answer echoes.
    """
    params: dict[str, str] = {}
    expected: dict[str, dict[str, Any]] = {}
    for key, value in given.items():
        if isinstance(value, dict):
            expected[key] = value
        elif key not in outputs:
            params[key] = flatten(value)
    return params, expected


def read_inputs(payload: Mapping[str, Any], types: Mapping[str, int]) -> list[InputValue]:
    """Decodes the inputs of a validated payload; an input that is null or has no data is left out.

    Args:
        payload: the object, validated.
        types: input key -> data type number, as the ability declares them. The type of another input is that
            of the data which it holds.

    Raises:
        RequestError: data is not base64, or an input that is not declared holds data of several types; the
            problem's pointer names the place.
    """
    inputs = []
    for key, value in payload.items():
        if value is not None:
            type = types[key] if key in types else _type_of(key, value)
            if value.get(DATA_FIELDS[type]) is not None:
                inputs.append(_read_input(key, value, type))
    return inputs


def _type_of(key: str, value: Mapping[str, Any]) -> int:
    present = [type for type, name in DATA_FIELDS.items() if value.get(name) is not None]
    if len(present) > 1:
        names = " and ".join(DATA_FIELDS[type] for type in present)
        problem = Problem(f"/payload/{key}", f"must hold data of one type, not {names}")
        raise RequestError("the request does not fit the schema", problems=(problem,))
    return present[0] if present else 0


def _read_input(key: str, value: Mapping[str, Any], type: int) -> InputValue:
    name = DATA_FIELDS[type]
    text = value[name]
    try:
        # Nearly all base64 is in one line. Without `validate`, what is no base64 would be skipped silently.
        data = pybase64.b64decode(text, validate=True)
    except ValueError:
        text, data = _decode_broken_lines(f"/payload/{key}/{name}", text)
    status = value.get("status")
    return InputValue(
        key=key,
        type=type,
        status=STATUS_ONCE if status is None else status,
        text=text,
        data=data,
        attributes={
            attribute: flatten(item) for attribute, item in value.items() if attribute not in (name, "status")
        },
    )


def _decode_broken_lines(pointer: str, text: str) -> tuple[str, bytes]:
    """Decodes base64 that may be broken into lines, as MIME (RFC 2045) and `base64 FILE` write it.

    Returns:
        The base64 in one line, and what it stands for.

    Raises:
        RequestError: it is none.
    """
    for blank in ("\n", "\r", " ", "\t"):
        text = text.replace(blank, "")
    try:
        return text, pybase64.b64decode(text, validate=True)
    except ValueError:
        problem = Problem(pointer, "is not base64 (standard alphabet, with padding)")
        raise RequestError("bad base64", problems=(problem,)) from None


def render_payload(outputs: list[OutputValue], expected: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Returns the JSON of the answer's `payload`: data beside the echoed attributes (protocol 1.4).

    Raises:
        OutputError: a text cannot be written in the encoding that the caller named.
    """
    return render_outputs("", outputs, expected)[0]


def render_outputs(
    service_id: str, outputs: list[OutputValue], expected: Mapping[str, Mapping[str, Any]]
) -> tuple[bytes, list[Problem]]:
    """Returns what `render_payload` does, and what is odd about it, with pointers into the request."""
    rendered: dict[str, Any] = {}
    warnings: list[Problem] = []
    for output in outputs:
        attributes = expected.get(output.key, {})
        data = encode_output(output.key, output.type, output.data, attributes)
        value, fault = _render_data(data, attributes.get("format"))
        # Packed data is no JSON; whoever asks for both knows.
        if fault and attributes.get("compress") != GZIP:
            pointer = f"/parameter/{main_of(service_id)}/{output.key}/format"
            warnings.append(Problem(pointer, f"the output is not JSON, so it is given as base64: {fault}"))
        field = DATA_FIELDS[output.type]
        # Ours come last: a caller may have sent members of these names.
        rendered[output.key] = {**attributes, "seq": 0, "status": output.status, field: value}
    return orjson.dumps(rendered), warnings


def _render_data(data: bytes, format: Any) -> tuple[Any, str]:
    """Returns data as it goes into an answer, and why it is not JSON although it should be."""
    fault = ""
    if format == "json":
        try:
            # A fragment goes into the answer unread, so what is no JSON would break all of it. It is not
            # written anew: numbers and the order of members stay the wrapper's.
            orjson.loads(data)
            return orjson.Fragment(data), ""
        except orjson.JSONDecodeError as error:
            fault = str(error)
    return pybase64.b64encode_as_string(data), fault


def render_warnings(warnings: Iterable[Problem]) -> str:
    """Returns the JSON of what is odd about a request that was answered all the same; "" for nothing."""
    listed = [{"pointer": warning.pointer, "detail": warning.detail} for warning in warnings]
    return orjson.dumps(listed).decode() if listed else ""


def success_body(job_id: str, gpu_type: str, payload: bytes, warnings: str = "") -> bytes:
    """Returns the JSON of a successful answer; `payload` is left out when the job had no output.

    `warnings` is what `render_warnings` returned.
    """
    header: dict[str, Any] = {"code": 0, "message": "success", "sid": job_id, "gpu_type": gpu_type}
    if warnings:
        header["warnings"] = orjson.Fragment(warnings)
    body: dict[str, Any] = {"header": header}
    if payload and payload != b"{}":
        # The worker has rendered it: there are more of them than of gateways, which only copy.
        body["payload"] = orjson.Fragment(payload)
    return orjson.dumps(body)


def names_in(document: Any) -> tuple[str, str]:
    """Returns app_id and request_id of a request in either form that was not validated; "" for none."""
    found = document.get("header", document) if type(document) is dict else None
    if type(found) is not dict:
        return "", ""
    app_id, request_id = found.get("appid") or found.get("app_id"), found.get("request_id")
    return app_id if type(app_id) is str else "", request_id if type(request_id) is str else ""
