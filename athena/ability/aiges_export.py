"""An interface as the schema document of the original framework: `{meta, schemainput, schemaoutput}`.

Its SDK writes such documents in two shapes, `LEGACY` and `V2`; its gateway reads both. They are no standard
JSON Schema: null passes every check, and where `properties` is there other members are refused. Ours differ
from the SDK's where those refuse what is right: enums and lengths of parameters are kept, nothing gets a
made-up default, the caller may describe outputs in both shapes, the lists of encodings are whole, and the
header knows all names that are in use, `app_id` among them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from athena.ability.declaration import declare
from athena.ability.manifest import Ability
from athena.protocol.checks.schema import (
    COMPRESSIONS,
    FORMATS,
    HEADER_FIELDS,
    HINTS,
    MAX_SEQ,
    STATUSES,
    TEXT_ENCODINGS,
    param_field,
)
from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.interface import DataSpec, Interface, ParamSpec
from athena.protocol.json_schema import JsonSchema, field_schema, request_schema
from athena.protocol.paths import SERVICE_ID


class Shape(StrEnum):
    """Which generation of the SDK would have written the document."""

    LEGACY = "legacy"
    V2 = "v2"


#: What the SDK writes where the wrapper says nothing else.
HOST = "api.xf-yun.com"
BACKEND = "atmos"

#: Names of header members that only the legacy shape has.
LEGACY_HEADER = (
    "device.imei",
    "device.imsi",
    "device.mac",
    "device.other",
    "net.type",
    "net.isp",
    "app.ver",
)

IMAGE_ENCODINGS = ("jpg", "jpeg", "png", "bmp")
AUDIO_ENCODINGS = ("raw", "pcm", "mp3", "lame", "speex", "speex-wb", "opus", "opus-wb", "ico")
MAX_DATA = 10_485_760
MAX_LEGACY_TEXT = 1_048_576

_ENCODING = ParamSpec("encoding", max_length=32)
_STATUS = ParamSpec("status", "integer", enum=STATUSES)
_SEQ = ParamSpec("seq", "integer", minimum=0, maximum=MAX_SEQ)
_DATA_TYPE = ParamSpec("data_type", max_length=32)

#: Data type number -> members of a payload object beside the data.
_MEMBERS: dict[int, tuple[ParamSpec, ...]] = {
    0: (
        ParamSpec("encoding", enum=TEXT_ENCODINGS),
        ParamSpec("compress", enum=COMPRESSIONS),
        ParamSpec("format", enum=FORMATS),
        _STATUS,
        _SEQ,
    ),
    1: (
        ParamSpec("encoding", enum=AUDIO_ENCODINGS),
        ParamSpec("sample_rate", "integer", minimum=0),
        ParamSpec("bit_depth", "integer", minimum=0),
        ParamSpec("channels", "integer", minimum=0),
        _STATUS,
        _SEQ,
    ),
    2: (ParamSpec("encoding", enum=IMAGE_ENCODINGS), _STATUS),
    3: (
        _ENCODING,
        ParamSpec("frame_rate", "integer", minimum=0),
        ParamSpec("width", "integer", minimum=0),
        ParamSpec("height", "integer", minimum=0),
        _STATUS,
        _SEQ,
    ),
    4: (ParamSpec("encoding"), ParamSpec("compress", enum=COMPRESSIONS), _STATUS, _SEQ),
}


def document_of_wrapper(wrapper: Any, shape: Shape) -> str:
    """Returns the schema document, as JSON, of a wrapper that runs outside an ability's folder."""
    service_id = wrapper.serviceId if SERVICE_ID.fullmatch(wrapper.serviceId or "") else "wrapper"
    ability = Ability(Path.cwd(), service_id, wrapper.version or "v1")
    return json.dumps(export_document(declare(ability, wrapper), shape), ensure_ascii=False)


def export_document(interface: Interface, shape: Shape = Shape.V2) -> dict[str, Any]:
    """Returns the schema document of an ability."""
    envelope = {
        "header": _header(shape),
        "parameter": {
            "type": "object",
            "properties": {interface.main_id: _parameters(interface, shape)},
        },
        "payload": _payload(interface, shape),
    }
    return {
        "meta": _meta(interface, shape),
        "schemainput": {
            "type": "object",
            "properties": envelope,
            "required": request_schema(interface)["required"],
        },
        "schemaoutput": {"type": "object", "properties": {"payload": _answer_payload(interface, shape)}},
    }


def _meta(interface: Interface, shape: Shape) -> dict[str, Any]:
    service_id = interface.main_id
    return {
        "serviceId": service_id,
        "version": interface.version,
        "service": [service_id],
        "sub": "ase",
        "call": BACKEND,
        "call_type": 0 if shape is Shape.LEGACY else "0",
        "webgate_type": 0,
        "hosts": HOST,
        "route": f"/{interface.version}/private/{service_id}",
        "routeKey": [],
        service_id: {"input": _data_types(interface.inputs), "accept": _data_types(interface.outputs)},
    }


def _data_types(specs: Iterable[DataSpec]) -> dict[str, Any]:
    return {spec.key: {"dataType": DATA_FIELDS[spec.type]} for spec in specs}


def _header(shape: Shape) -> JsonSchema:
    members = {name: _upstream(field_schema(make())) for name, make in HEADER_FIELDS.items()}
    if shape is Shape.V2:
        return {"type": "object", "properties": members, "required": ["status"]}
    members.update({name: member_schema(ParamSpec(name, max_length=50)) for name in LEGACY_HEADER})
    return {"type": "object", "properties": members}


def _parameters(interface: Interface, shape: Shape) -> JsonSchema:
    if interface.is_permissive:
        return {"type": "object"}
    hints = {key: ParamSpec(key, max_length=size) for key, size in HINTS.items()}
    params = {**hints, **{spec.key: spec for spec in interface.params}}
    schema = _object(params.values())
    for spec in interface.outputs:
        schema["properties"][spec.key] = _object(_expected_members(spec, shape))
    required = [spec.key for spec in params.values() if spec.required]
    required += [spec.key for spec in interface.outputs if spec.required]
    return {**schema, "required": required} if required else schema


def _payload(interface: Interface, shape: Shape) -> JsonSchema:
    if interface.is_permissive:
        return {"type": "object"}
    inputs = {spec.key: _object(_input_members(spec, shape)) for spec in interface.inputs}
    required = [spec.key for spec in interface.inputs if spec.required]
    schema: JsonSchema = {"type": "object", "properties": inputs}
    return {**schema, "required": required} if required else schema


def _answer_payload(interface: Interface, shape: Shape) -> JsonSchema:
    if interface.is_permissive:
        return {"type": "object"}
    outputs = {}
    for spec in interface.outputs:
        members = {member.key: member for member in _standard_members(spec.type, shape)}
        members.update({member.key: replace(member, required=False) for member in spec.members or ()})
        outputs[spec.key] = _object(members.values())
    return {"type": "object", "properties": outputs}


def _input_members(spec: DataSpec, shape: Shape) -> tuple[ParamSpec, ...]:
    return _standard_members(spec.type, shape) if spec.members is None else spec.members


def _expected_members(spec: DataSpec, shape: Shape) -> tuple[ParamSpec, ...]:
    """Returns what a caller may say of an output: all but the data and its number in a stream."""
    if spec.members is not None:
        return spec.members
    unsaid = {DATA_FIELDS[spec.type], "seq", *(["status"] if shape is Shape.LEGACY else [])}
    return tuple(member for member in _standard_members(spec.type, shape) if member.key not in unsaid)


def _standard_members(data_type: int, shape: Shape) -> tuple[ParamSpec, ...]:
    is_short = data_type == 0 and shape is Shape.LEGACY
    data = ParamSpec(
        DATA_FIELDS[data_type],
        min_length=None if data_type == 0 else 1,
        max_length=MAX_LEGACY_TEXT if is_short else MAX_DATA,
    )
    return (*_MEMBERS[data_type], *([_DATA_TYPE] if shape is Shape.V2 else []), data)


def _object(members: Iterable[ParamSpec]) -> JsonSchema:
    listed = list(members)
    schema: JsonSchema = {
        "type": "object",
        "properties": {member.key: member_schema(member) for member in listed},
    }
    required = [member.key for member in listed if member.required]
    return {**schema, "required": required} if required else schema


def member_schema(spec: ParamSpec) -> JsonSchema:
    """Returns a scalar in the original framework's keywords."""
    rewriting = {
        "constVal": spec.const,
        "defaultVal": spec.default,
        "replaceKey": spec.replace_key or None,
        "formatVal": spec.format_as or None,
    }
    schema = _upstream(field_schema(param_field(replace(spec, default=None))))
    return {**schema, **{name: value for name, value in rewriting.items() if value is not None}}


def _upstream(schema: Mapping[str, Any]) -> JsonSchema:
    """Returns a schema without null, which passes every check there anyway."""
    converted = dict(schema)
    if isinstance(schema.get("type"), list):
        converted["type"] = schema["type"][0]
    if "enum" in schema:
        converted["enum"] = [value for value in schema["enum"] if value is not None]
    if "items" in schema:
        converted["items"] = _upstream(schema["items"])
    return converted
