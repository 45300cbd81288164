"""What an ability accepts, read from a schema document of the original framework.

Both shapes of its SDK are read, and documents that were written by hand. A document must say nothing that
could not be obeyed here: a keyword that is not known is an error, not a loosened check. The header is not
read, as the gateway has one of its own; and of the answer only which outputs there are, and their types.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from athena.errors import ConfigError
from athena.protocol.checks.schema import HINTS
from athena.protocol.envelope import DATA_FIELDS
from athena.protocol.interface import DataSpec, Interface, ParamSpec

_DATA_TYPES = {name: number for number, name in DATA_FIELDS.items()}

#: What is written for people, or for editors.
_REMARKS = {"title", "description", "comment", "$comment", "examples", "example", "$schema"}

_OBJECT_KEYWORDS = {"type", "properties", "required", "additionalProperties", *_REMARKS}

#: Keyword -> the kinds of value it may have.
_KEYWORDS: dict[str, tuple[type, ...]] = {
    "type": (str,),
    "enum": (list,),
    "enums": (list,),
    "minLength": (int,),
    "maxLength": (int,),
    "minimum": (int, float),
    "maximum": (int, float),
    "const": (object,),
    "constVal": (object,),
    "default": (object,),
    "defaultVal": (object,),
    "replaceKey": (str,),
    "formatVal": (str,),
}

_JSON_TYPES = ("string", "integer", "number", "boolean")
_FORMATS = {**{name: name for name in (*_JSON_TYPES, "lower", "upper")}, "bool": "boolean"}


@dataclass(frozen=True)
class UpstreamSchema:
    """What a document says of an ability."""

    service_id: str
    version: str
    params: tuple[ParamSpec, ...]
    inputs: tuple[DataSpec, ...]
    outputs: tuple[DataSpec, ...]

    def apply(self, interface: Interface) -> Interface:
        """Returns an ability's interface with parameters, inputs and outputs as the document says."""
        return replace(interface, params=self.params, inputs=self.inputs, outputs=self.outputs)


def is_schema_document(document: Any) -> bool:
    """Returns whether a JSON document is meant to be one of these."""
    return isinstance(document, dict) and {"meta", "schemainput"} <= document.keys()


def import_document(document: Any) -> UpstreamSchema:
    """Reads a schema document.

    Raises:
        ConfigError: it is not one, or says what cannot be obeyed; the message names the place.
    """
    meta = _member(_mapping(document, ""), "meta", "")
    service_id = _service_id(meta)
    data = _member(meta, service_id, "/meta")
    inputs = _types(data, "input", f"/meta/{service_id}")
    accepts = _types(data, "accept", f"/meta/{service_id}")
    envelope = _object(_member(document, "schemainput", ""), "/schemainput")
    parameter_at = "/schemainput/properties/parameter"
    parameter = _object(_mapping(envelope.get("parameter", {}), parameter_at), parameter_at)
    if parameter.keys() - {service_id}:
        raise _problem(
            parameter_at, f"holds the parameters of {', '.join(sorted(parameter))}; one service is accepted"
        )
    own_at = f"{parameter_at}/properties/{service_id}"
    own = _mapping(parameter.get(service_id, {}), own_at)
    payload_at = "/schemainput/properties/payload"
    payload = _mapping(envelope.get("payload", {}), payload_at)
    return UpstreamSchema(
        service_id=service_id,
        version=str(meta.get("version") or "v1"),
        params=_params(own, accepts, own_at),
        inputs=_data_specs(payload, inputs, payload_at),
        outputs=_data_specs(own, accepts, own_at),
    )


def _service_id(meta: Mapping[str, Any]) -> str:
    services = meta.get("service")
    service_id = meta.get("serviceId")
    if meta.get("subRoute") or meta.get("type") == "category":
        raise _problem("/meta/subRoute", "leads requests to several services; one service is accepted")
    if not isinstance(services, list) or not all(isinstance(name, str) for name in services):
        raise _problem("/meta/service", "must be a list with the name of the service")
    if len(services) != 1:
        raise _problem("/meta/service", f"names {len(services)} services; one service is accepted")
    if services[0] != service_id:
        raise _problem("/meta/service", f"names {services[0]}, and serviceId {service_id}; they must agree")
    return str(service_id)


def _types(data: Mapping[str, Any], name: str, place: str) -> dict[str, int]:
    found = {}
    for key, item in _mapping(data.get(name) or {}, f"{place}/{name}").items():
        data_type = _mapping(item, f"{place}/{name}/{key}").get("dataType")
        if data_type not in _DATA_TYPES:
            known = ", ".join(_DATA_TYPES)
            raise _problem(f"{place}/{name}/{key}/dataType", f"must be one of {known}, not {data_type!r}")
        found[key] = _DATA_TYPES[data_type]
    return found


def _params(node: Mapping[str, Any], accepts: Mapping[str, int], place: str) -> tuple[ParamSpec, ...]:
    """Returns the scalars; an object must be what a caller says of an output."""
    params = []
    for key, schema in _object(node, place).items():
        if key in accepts:
            continue
        if isinstance(schema, Mapping) and schema.get("type") == "object":
            raise _problem(f"{place}/properties/{key}", "is an object, but no output that `accept` names")
        param = _param(key, schema, key in _required(node, place), f"{place}/properties/{key}")
        # Every ability accepts these; a document that says no more of them declares nothing.
        if param != ParamSpec(key, max_length=HINTS.get(key)) or key not in HINTS:
            params.append(param)
    return tuple(params)


def _data_specs(node: Mapping[str, Any], types: Mapping[str, int], place: str) -> tuple[DataSpec, ...]:
    """Returns the inputs that a payload holds, or the outputs that parameters describe."""
    properties = _object(node, place)
    if place.endswith("/payload") and properties.keys() - types.keys():
        missing = ", ".join(sorted(properties.keys() - types.keys()))
        raise _problem(place, f"holds {missing}, which `input` does not name")
    required = _required(node, place)
    return tuple(
        DataSpec(key, data_type, key in required, _members(properties.get(key), f"{place}/properties/{key}"))
        for key, data_type in types.items()
    )


def _members(schema: Any, place: str) -> tuple[ParamSpec, ...] | None:
    """Returns the members of an input or output; None where the document does not list any."""
    if schema is None:
        return None
    node = _mapping(schema, place)
    properties = _object(node, place)
    if "properties" not in node:
        return None
    required = _required(node, place)
    return tuple(
        _param(key, item, key in required, f"{place}/properties/{key}") for key, item in properties.items()
    )


def _param(key: str, schema: Any, is_listed: bool, place: str) -> ParamSpec:
    given = _mapping(schema, place)
    for name, value in given.items():
        if name in _REMARKS:
            continue
        if name not in _KEYWORDS:
            raise _problem(f"{place}/{name}", "is a keyword that is not known here")
        # To Python true is an int, and would pass for a length.
        if not isinstance(value, _KEYWORDS[name]) or (isinstance(value, bool) and name[:3] in ("min", "max")):
            raise _problem(f"{place}/{name}", f"has a value that cannot be used: {value!r}")
    default = given.get("defaultVal", given.get("default"))
    const = given.get("constVal")
    return ParamSpec(
        key,
        _json_type(given, place),
        # There, defaults are filled in before it is asked what is missing.
        required=is_listed and default is None and const is None,
        min_length=given.get("minLength"),
        max_length=given.get("maxLength"),
        minimum=given.get("minimum"),
        maximum=given.get("maximum"),
        enum=_enum(given, place),
        description=str(given.get("description") or given.get("title") or ""),
        const=const,
        default=default,
        replace_key=given.get("replaceKey", ""),
        format_as=_format(given, place),
    )


def _json_type(given: Mapping[str, Any], place: str) -> str:
    json_type = given.get("type")
    if json_type is None and all(isinstance(value, str) for value in _enum(given, place) or (0,)):
        json_type = "string"
    if json_type not in _JSON_TYPES:
        raise _problem(f"{place}/type", f"must be one of {', '.join(_JSON_TYPES)}, not {json_type!r}")
    return str(json_type)


def _enum(given: Mapping[str, Any], place: str) -> tuple[Any, ...]:
    # `const` checks what was sent; only `constVal` takes its place.
    values = [given["const"]] if "const" in given else given.get("enum", given.get("enums", []))
    for value in values:
        if not isinstance(value, str | int | float | None):
            raise _problem(f"{place}/enum", f"has a value that cannot be used: {value!r}")
    return tuple(value for value in values if value is not None)


def _format(given: Mapping[str, Any], place: str) -> str:
    name = given.get("formatVal")
    if name is not None and name not in _FORMATS:
        raise _problem(f"{place}/formatVal", f"must be one of {', '.join(_FORMATS)}, not {name!r}")
    return _FORMATS[name] if name else ""


def _object(node: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """Returns the properties of the schema of an object, of which nothing else is known here."""
    for name in node.keys() - _OBJECT_KEYWORDS:
        raise _problem(f"{place}/{name}", "is a keyword that is not known here")
    if node.get("type", "object") != "object":
        raise _problem(f"{place}/type", f"must be object, not {node['type']!r}")
    properties = _mapping(node.get("properties", {}), f"{place}/properties")
    if properties and node.get("additionalProperties"):
        raise _problem(f"{place}/additionalProperties", "must be false: unknown members are refused here")
    return properties


def _required(node: Mapping[str, Any], place: str) -> list[str]:
    required = node.get("required", [])
    if not isinstance(required, list):
        raise _problem(f"{place}/required", "must be a list")
    return required


def _member(node: Mapping[str, Any], name: str, place: str) -> Mapping[str, Any]:
    if name not in node:
        raise _problem(f"{place}/{name}", "is missing")
    return _mapping(node[name], f"{place}/{name}")


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _problem(place, "must be an object")
    return value


def _problem(place: str, detail: str) -> ConfigError:
    return ConfigError(f"the schema document cannot be used: {place or '/'} {detail}")
