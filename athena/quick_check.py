"""A fast yes to ordinary requests, made from the marshmallow schema itself.

marshmallow costs several times what the rest of a small request does. The check says yes only to a document
that the schema accepts and would return unchanged; everything else, the merely unusual included, is
marshmallow's to judge, and so are all error messages. tests/unit/test_quick_check.py holds the two
together.
"""

import sys
from collections.abc import Callable
from typing import Any

from marshmallow import INCLUDE, Schema, fields, validate

from athena.json_fields import ByteLength, Decimal, ObjectOf, Text, Truth, WholeNumber

Check = Callable[[Any], bool]

_TYPES: dict[type, tuple[type, ...]] = {
    Text: (str,),
    WholeNumber: (int,),
    Decimal: (int, float),
    Truth: (bool,),
}


def compile_check(schema: Schema) -> Check:
    """Returns a function that says yes to documents which `schema` accepts as they are."""
    checks = {name: _field_check(field) for name, field in schema.fields.items()}
    required = frozenset(name for name, field in schema.fields.items() if field.required)
    unknown = _always if schema.unknown == INCLUDE else _never
    check_of = checks.get

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for name, item in value.items():
            if not check_of(name, unknown)(item):
                return False
        return required <= value.keys()

    return check


def _field_check(field: fields.Field[Any]) -> Check:
    if isinstance(field, fields.Nested):
        return compile_check(field.schema)
    if isinstance(field, ObjectOf):
        return _members_check(_field_check(field.inner))
    check = _value_check(field)
    if not field.allow_none:
        return check
    return lambda value: value is None or check(value)


def _value_check(field: fields.Field[Any]) -> Check:
    types = _TYPES.get(type(field))
    if types is None or len(field.validators) > 1 or field.data_key or field.dump_only:
        return _never
    if not field.validators:
        return lambda value: type(value) in types
    return _validator_check(types, field.validators[0])


def _validator_check(types: tuple[type, ...], validator: Any) -> Check:
    if isinstance(validator, ByteLength):
        least = validator.minimum
        most = sys.maxsize if validator.maximum is None else validator.maximum
        return lambda value: type(value) is str and least <= len(value) <= most and value.isascii()
    if isinstance(validator, validate.OneOf):
        choices = frozenset(validator.choices)
        return lambda value: type(value) in types and value in choices
    if isinstance(validator, validate.Regexp):
        match: Any = validator.regex.match
        return lambda value: type(value) is str and match(value) is not None
    if isinstance(validator, validate.Range):
        return _range_check(types, validator)
    return _never


def _range_check(types: tuple[type, ...], validator: validate.Range) -> Check:
    if not (validator.min_inclusive and validator.max_inclusive):
        return _never
    least = float("-inf") if validator.min is None else validator.min
    most = float("inf") if validator.max is None else validator.max
    return lambda value: type(value) in types and least <= value <= most


def _members_check(accepts: Check) -> Check:
    return lambda value: type(value) is dict and all(accepts(item) for item in value.values())


def _always(value: Any) -> bool:
    return True


def _never(value: Any) -> bool:
    return False
