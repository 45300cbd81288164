"""From the fields that a wrapper declares to its interface."""

from dataclasses import replace
from typing import Any

from marshmallow import ValidationError

from athena.ability.manifest import Ability
from athena.errors import ConfigError
from athena.protocol.checks.schema import param_field
from athena.protocol.interface import DataSpec, Interface, ParamSpec
from athena.sdk.fields import JsonBodyField, NumberParamField, ParamField, PayloadField, StringParamField
from athena.sdk.local_run import declared


def declare(ability: Ability, wrapper: Any, example: dict[str, Any] | None = None) -> Interface:
    """Returns what `requestCls` and `responseCls` of a wrapper say.

    Raises:
        ConfigError: a key cannot be used.
    """
    request = declared_fields(getattr(wrapper, "requestCls", None))
    response = declared_fields(getattr(wrapper, "responseCls", None))
    for item in (*request, *response):
        # marshmallow takes a dot for a path, and `Meta` for its own.
        if "." in item.key or item.key == "Meta":
            raise ConfigError(f"{ability.wrapper_path} declares the key {item.key!r}; choose another one")
    return Interface(
        service_id=ability.service_id,
        version=ability.version,
        description=ability.description,
        params=tuple(
            _checked(ability, _param_spec(item)) for item in request if isinstance(item, ParamField)
        ),
        inputs=_data_specs(request),
        outputs=_data_specs(response),
        gpu_types=ability.gpu.types,
        fallback=ability.gpu.fallback,
        limits=ability.limits,
        example=example,
        header_params=ability.header_params,
    )


def declared_fields(declaration: Any) -> list[Any]:
    """Returns the parameters and the data that `requestCls` or `responseCls` declares, in their order."""
    return [item for item in declared(declaration) if isinstance(item, ParamField | PayloadField)]


def _data_specs(fields: list[Any]) -> tuple[DataSpec, ...]:
    return tuple(
        DataSpec(
            item.key,
            item.data_type,
            is_json=isinstance(item, JsonBodyField),
            encoding=str(item.declared_encoding),
        )
        for item in fields
        if isinstance(item, PayloadField)
    )


def _checked(ability: Ability, spec: ParamSpec) -> ParamSpec:
    """Returns a parameter whose default is one that a request might hold.

    Raises:
        ConfigError: it is not.
    """
    try:
        if spec.default is not None:
            param_field(spec).deserialize(spec.default)
    except ValidationError as error:
        reason = "; ".join(map(str, error.messages))
        raise ConfigError(f"{ability.wrapper_path}: the default of {spec.key!r} {reason}") from None
    return spec


def _param_spec(item: ParamField) -> ParamSpec:
    spec = ParamSpec(
        item.key,
        item.json_type,
        item.required,
        description=item.description or item.title,
        # False is not filled in: wrappers that ask whether the text is there would take it for yes.
        default=None if item.default is False else item.default,
    )
    if isinstance(item, StringParamField):
        return replace(spec, min_length=item.minLength, max_length=item.maxLength, enum=tuple(item.enums))
    if isinstance(item, NumberParamField):
        return replace(spec, minimum=item.minimum, maximum=item.maximum, enum=tuple(item.enums))
    return spec
