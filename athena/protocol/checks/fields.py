"""marshmallow fields for JSON values that are taken as they are; nothing is coerced from another type."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

#: Up to here a float holds every whole number.
EXACT = 2**53


def size_in_bytes(text: str) -> int:
    """Returns how long a text is in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


class ByteLength(validate.Validator):
    """Limits the length of a text, counted in UTF-8 bytes."""

    def __init__(self, maximum: int | None, minimum: int = 0) -> None:
        self.minimum = minimum
        self.maximum = maximum

    def __call__(self, value: str) -> str:
        """Returns the text, or raises a ValidationError."""
        size = size_in_bytes(value)
        if size < self.minimum:
            raise ValidationError(f"must have at least {self.minimum} bytes")
        if self.maximum is not None and size > self.maximum:
            raise ValidationError(f"must have at most {self.maximum} bytes, has {size}")
        return value


class Text(fields.String):
    """A JSON string; nothing is coerced."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise ValidationError(f"must be a string, got {json_type(value)}")
        return value


class WholeNumber(fields.Integer):
    """A JSON number without a fraction; nothing is coerced."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            if abs(value) > EXACT:
                raise ValidationError(
                    f"must be written in digits beyond {EXACT}: a fraction or power is rounded"
                )
            return int(value)
        # To Python true is an int, and in JSON it is no number.
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValidationError(f"must be an integer, got {json_type(value)}")
        return value


class Decimal(fields.Float):
    """A JSON number; nothing is coerced."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValidationError(f"must be a number, got {json_type(value)}")
        # Not made a float: a whole number beyond 2^53 would be rounded.
        return value


class Truth(fields.Boolean):
    """A JSON true or false; nothing is coerced."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise ValidationError(f"must be true or false, got {json_type(value)}")
        return value


class ObjectOf(fields.Field[dict[str, Any]]):
    """A JSON object with members of any name, which all are of one kind."""

    def __init__(self, inner: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValidationError(f"must be an object, got {json_type(value)}")
        loaded: dict[str, Any] = {}
        errors: dict[str, Any] = {}
        for name, item in value.items():
            try:
                loaded[name] = self.inner.deserialize(item)
            except ValidationError as error:
                errors[name] = error.messages
        if errors:
            raise ValidationError(errors)
        return loaded


def json_type(value: Any) -> str:
    """Returns what a value is called in JSON."""
    names = {
        dict: "an object",
        list: "a list",
        str: "a string",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)
