"""The plain form as JSON Schema, for documents and code generators (see `plain`)."""

from typing import Any

from athena.protocol.checks.schema import (
    BASE64,
    HEADER_FIELDS,
    HINTS,
    output_request_fields,
    param_field,
    text,
)
from athena.protocol.interface import DataSpec, Interface
from athena.protocol.json_schema import JsonSchema, field_schema

#: Of the header, what callers of the plain form use; the other members are accepted, too.
_SHOWN = ("app_id", "request_id", "priority", "max_queue_s", "max_exec_s")

_ANYTHING: JsonSchema = {"description": "Any JSON."}
_WORDS: JsonSchema = {"description": "A text; of anything else its JSON."}
_DATA: JsonSchema = {"type": "string", "description": "Base64, a data: URL, or an http(s): URL.", **BASE64}

_KINDS = {1: "audio/*", 2: "image/*", 3: "video/*", 4: "application/octet-stream"}


def plain_request_schema(interface: Interface) -> JsonSchema:
    """Returns the schema of plain requests; what it does not show is judged as in the envelope."""
    known: dict[str, Any] = {spec.key: _input_schema(spec) for spec in interface.inputs}
    for spec in interface.params:
        known.setdefault(spec.key, field_schema(param_field(spec)))
    for output in interface.outputs:
        attributes = {key: field_schema(field) for key, field in output_request_fields(output).items()}
        described: JsonSchema = {"type": "object", "description": "What is expected of the output."}
        known.setdefault(output.key, {**described, "properties": attributes})
    for key in HINTS:
        known.setdefault(key, field_schema(text(HINTS[key])))
    for key in _SHOWN:
        known.setdefault(key, field_schema(HEADER_FIELDS[key]()))
    required = [spec.key for spec in interface.params if spec.required]
    return {
        "title": f"{interface.service_id} {interface.version}: plain request",
        "type": "object",
        "description": "Inputs and parameters by name; docs/protocol.md, 1.10.",
        "properties": known,
        **({"required": required} if required else {}),
    }


def plain_answer_schema(interface: Interface) -> JsonSchema:
    """Returns the schema of plain answers."""
    return {
        "title": f"{interface.service_id} {interface.version}: plain answer",
        "type": "object",
        "description": "Outputs by name; one that the wrapper does not give is left out.",
        "properties": {spec.key: _output_schema(spec) for spec in interface.outputs},
    }


def data_kinds(interface: Interface) -> list[str]:
    """Returns the kinds of content with which the data of an output may be answered."""
    return list(dict.fromkeys(_KINDS[spec.type] for spec in interface.outputs if spec.type in _KINDS))


def _input_schema(spec: DataSpec) -> JsonSchema:
    if spec.type in _KINDS:
        return _DATA
    return _ANYTHING if spec.is_json else _WORDS


def _output_schema(spec: DataSpec) -> JsonSchema:
    if spec.type in _KINDS:
        return {"type": "string", **BASE64}
    return _ANYTHING if spec.is_json else {"type": "string"}
