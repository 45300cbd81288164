"""What an ability accepts and answers as JSON Schema (2020-12), for documents and code generators.

Nothing is declared here: the schemas are read off the marshmallow schemas that judge the requests
(`schema`), so the two cannot drift apart. One thing cannot be said in JSON Schema: lengths count UTF-8
bytes, while JSON Schema counts characters; for texts of ASCII they are the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from marshmallow import INCLUDE, Schema, fields, validate

from athena.protocol.checks.fields import ByteLength, Decimal, ObjectOf, Text, Truth, WholeNumber
from athena.protocol.checks.schema import BASE64, build_envelope_schema, output_request_fields
from athena.protocol.checks.widths import MAX_INPUTS, MAX_ITEMS
from athena.protocol.envelope import DATA_FIELDS, STATUS_ONCE
from athena.protocol.interface import DataSpec, Interface

JsonSchema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: How a Python expression says that nothing may follow.
END = r"\Z"

_TYPES: dict[type, str] = {Text: "string", WholeNumber: "integer", Decimal: "number", Truth: "boolean"}


def request_schema(interface: Interface) -> JsonSchema:
    """Returns the schema of the requests that run an ability."""
    document = object_schema(build_envelope_schema(interface).schema)
    # athena.protocol.checks.schema.validate_envelope: one of them must be there and not be empty.
    document["properties"]["header"]["anyOf"] = [_not_empty("app_id"), _not_empty("appid")]
    if interface.example is not None:
        document["examples"] = [interface.example]
    return {
        "$schema": DIALECT,
        "title": f"{interface.service_id} {interface.version}: request",
        "description": interface.description,
        "$comment": "The gateway counts lengths in bytes of UTF-8.",
        **document,
    }


def answer_schema(interface: Interface) -> JsonSchema:
    """Returns the schema of an ability's successful answers (`athena.protocol.envelope.success_body`)."""
    outputs = {spec.key: output_schema(spec) for spec in interface.outputs}
    payload: JsonSchema = {
        "type": "object",
        "description": "Left out when there is no output.",
        "properties": outputs,
        "additionalProperties": _any_output() if interface.is_permissive else False,
    }
    return {
        "$schema": DIALECT,
        "title": f"{interface.service_id} {interface.version}: answer",
        "type": "object",
        "properties": {"header": answer_header(), "payload": payload},
        "required": ["header"],
        "additionalProperties": False,
    }


def answer_header() -> JsonSchema:
    """Returns the schema of the header of a successful answer."""
    return {
        "type": "object",
        "properties": {
            "code": {"const": 0},
            "message": {"const": "success"},
            "sid": {"type": "string", "description": "The id of the job."},
            "gpu_type": {"type": "string", "description": "What ran the job."},
            "warnings": {
                "type": "array",
                "description": "What is odd about the request.",
                "items": {
                    "type": "object",
                    "properties": {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                    "required": ["pointer", "detail"],
                },
            },
        },
        "required": ["code", "message", "sid", "gpu_type"],
        "additionalProperties": False,
    }


def output_schema(spec: DataSpec) -> JsonSchema:
    """Returns the schema of an output: the data, and the attributes that the request gave."""
    attributes = {key: field_schema(field) for key, field in output_request_fields(spec).items()}
    rewritten = [member for member in spec.members or () if member.rewrites]
    # The answer repeats what a value was rewritten to, which may be of any type.
    attributes.update({name: {} for member in rewritten for name in (member.key, member.replace_key) if name})
    return {
        "type": "object",
        "properties": {**attributes, **_answered(DATA_FIELDS[spec.type])},
        "required": ["seq", "status", DATA_FIELDS[spec.type]],
        "additionalProperties": False,
    }


def _any_output() -> JsonSchema:
    """The schema of an output that is not declared: what type it has, its data shows."""
    return {
        "type": "object",
        "properties": _answered(*DATA_FIELDS.values()),
        "required": ["seq", "status"],
    }


def _answered(*data_fields: str) -> JsonSchema:
    data: JsonSchema = {
        "description": "Base64, or any JSON where the request asked for the format json.",
        **BASE64,
    }
    return {"seq": {"const": 0}, "status": {"const": STATUS_ONCE}, **dict.fromkeys(data_fields, data)}


def object_schema(schema: Schema) -> JsonSchema:
    """Returns the JSON Schema of the objects that a marshmallow schema accepts."""
    document: JsonSchema = {
        "type": "object",
        "properties": {name: field_schema(field) for name, field in schema.fields.items()},
        "additionalProperties": schema.unknown == INCLUDE,
    }
    required = [name for name, field in schema.fields.items() if field.required]
    return {**document, "required": required} if required else document


def field_schema(field: fields.Field[Any]) -> JsonSchema:
    """Returns the JSON Schema of the values that a marshmallow field accepts.

    Raises:
        TypeError: a kind of field that is not known here.
    """
    schema = _value_schema(field)
    if field.allow_none:
        schema = _or_null(schema)
    return {**schema, **field.metadata}


def _value_schema(field: fields.Field[Any]) -> JsonSchema:
    if isinstance(field, fields.Nested):
        return object_schema(field.schema)
    if isinstance(field, ObjectOf):
        inner = field_schema(field.inner)
        return {"type": "object", "additionalProperties": inner, "maxProperties": MAX_INPUTS}
    if isinstance(field, fields.List):
        return {"type": "array", "items": field_schema(field.inner), "maxItems": MAX_ITEMS}
    schema: JsonSchema = {"type": _TYPES[type(field)]} if type(field) in _TYPES else {}
    if not schema:
        raise TypeError(f"there is no JSON Schema for {type(field).__name__}")
    for validator in field.validators:
        schema.update(_limits(type(field), validator))
    return schema


def _limits(kind: type, validator: Any) -> JsonSchema:
    if isinstance(validator, validate.OneOf):
        return {"enum": _choices(kind, validator.choices)}
    if isinstance(validator, ByteLength):
        return _given({"minLength": validator.minimum or None, "maxLength": validator.maximum})
    if isinstance(validator, validate.Range):
        return _given({"minimum": validator.min, "maximum": validator.max})
    if isinstance(validator, validate.Regexp):
        return {"pattern": _pattern(validator)}
    raise TypeError(f"there is no JSON Schema for {type(validator).__name__}")


def _pattern(validator: validate.Regexp) -> str:
    """Returns the expression for JSON Schema, which searches, and for which $ is the very end."""
    pattern = str(validator.regex.pattern)
    return f"^{pattern.removesuffix(END)}$"


def _choices(kind: type, choices: Iterable[Any]) -> list[Any]:
    """Returns the choices that a field of this kind can meet; Python holds True and 1 for the same."""
    if kind is Truth:
        return [value for value in (True, False) if value in tuple(choices)]
    if kind is Text:
        return [value for value in choices if isinstance(value, str)]
    numbers = [value + 0 for value in choices if isinstance(value, int | float)]
    return [value for value in numbers if kind is Decimal or value == int(value)]


def _given(limits: Mapping[str, Any]) -> JsonSchema:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _or_null(schema: JsonSchema) -> JsonSchema:
    nullable = {**schema, "type": [schema["type"], "null"]}
    # A value has to pass `type` and `enum`, so null must be in both.
    if "enum" in schema:
        nullable["enum"] = [*schema["enum"], None]
    return nullable


def _not_empty(name: str) -> JsonSchema:
    return {"properties": {name: {"type": "string", "minLength": 1}}, "required": [name]}
