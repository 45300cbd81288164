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

from athena.protocol.checks.fields import (
    ByteLength,
    Decimal,
    ObjectOf,
    Text,
    Truth,
    WholeNumber,
    size_in_bytes,
)
from athena.protocol.checks.widths import MAX_INPUTS, MAX_MEMBERS, MAX_WHOLE, MIN_WHOLE, ROUNDED, is_flat

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
    is_open = schema.unknown == INCLUDE
    unknown = is_flat if is_open else _never
    check_of = checks.get

    def check(value: Any) -> bool:
        if type(value) is not dict:
            return False
        for name, item in value.items():
            if not check_of(name, unknown)(item):
                return False
        return required <= value.keys()

    # A closed one is no wider than what it knows.
    return _narrow(check) if is_open else check


def _narrow(check: Check) -> Check:
    return lambda value: type(value) is dict and len(value) <= MAX_MEMBERS and check(value)


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
        return _plain_check(types)
    return _validator_check(types, field.validators[0])


def _validator_check(types: tuple[type, ...], validator: Any) -> Check:
    if isinstance(validator, ByteLength):
        least = validator.minimum
        most = sys.maxsize if validator.maximum is None else validator.maximum
        # No text has fewer bytes than characters, so a long one is not looked through.
        return lambda value: (
            type(value) is str
            and len(value) <= most
            and (least <= len(value) if value.isascii() else least <= size_in_bytes(value) <= most)
        )
    if isinstance(validator, validate.OneOf):
        choices = frozenset(validator.choices)
        # The type first: a list cannot be looked up in a set, and true would be found as 1.
        return lambda value: type(value) in types and value in choices
    if isinstance(validator, validate.Regexp):
        match: Any = validator.regex.match
        return lambda value: type(value) is str and match(value) is not None
    if isinstance(validator, validate.Range):
        return _range_check(types, validator)
    return _never


def _plain_check(types: tuple[type, ...]) -> Check:
    if int not in types:
        return lambda value: type(value) in types
    least, most = _certain_numbers(types)
    return lambda value: type(value) in types and least <= value <= most


def _range_check(types: tuple[type, ...], validator: validate.Range) -> Check:
    if not (validator.min_inclusive and validator.max_inclusive):
        return _never
    least, most = _certain_numbers(types)
    least = least if validator.min is None else max(least, validator.min)
    most = most if validator.max is None else min(most, validator.max)
    return lambda value: type(value) in types and least <= value <= most


def _certain_numbers(types: tuple[type, ...]) -> tuple[float, float]:
    """Returns between which numbers a parser has rounded none, and any JSON writer writes all."""
    # The last floats before 2^63, which are 1024 apart: from there on one may be a rounded whole number.
    return (-ROUNDED + 1024, ROUNDED - 1024) if float in types else (MIN_WHOLE, MAX_WHOLE)


def _members_check(accepts: Check) -> Check:
    return lambda value: (
        type(value) is dict and len(value) <= MAX_INPUTS and all(accepts(item) for item in value.values())
    )


def _never(value: Any) -> bool:
    return False
