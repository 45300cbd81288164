"""Declarations of inputs, parameters and outputs in `requestCls` and `responseCls`.

`value` and `path` are data for local tests of the wrapper; they are not defaults of the API. Arguments that a
later version of the SDK added and that mean nothing here are ignored.
"""

from collections.abc import Mapping
from typing import Any

from athena.sdk.types import DataAudio, DataImage, DataOther, DataText, DataVideo


class Field:
    """Base of all declarations.

    Attributes:
        key: the name in the request or the answer.
        required: whether a request without it is refused.
        description: one sentence for the API's documentation.
        title: a short name for the API's documentation.
    """

    def __init__(self, key: str, required: bool = False, description: str = "", title: str = "") -> None:
        self.key = key
        self.required = required
        self.description = description
        self.title = title


class ParamField(Field):
    """A scalar under `parameter.<service_id>`; it reaches the wrapper as a string, which `of` reads.

    Attributes:
        value: for local tests of the wrapper.
        default: what a request without it means; None for nothing.
    """

    json_type = "string"
    value: Any = ""
    default: Any = None

    def _text(self, params: Mapping[str, str]) -> str | None:
        """Returns what was sent; null is sent as an empty text, which counts as nothing."""
        return params.get(self.key) or None

    def _wrong(self, text: str) -> ValueError:
        return ValueError(f"parameter {self.key!r} is no {self.json_type}: {text[:80]!r}")


class StringParamField(ParamField):
    """A text parameter, of limited length or one of `enums`."""

    def __init__(
        self,
        key: str,
        minLength: int = 0,
        maxLength: int = 1024,
        enums: list[str] | None = None,
        required: bool = False,
        value: Any = "",
        description: str = "",
        title: str = "",
        default: str | None = None,
        **_: Any,
    ) -> None:
        super().__init__(key, required, description, title)
        self.minLength = minLength
        self.maxLength = maxLength
        self.enums = list(enums or [])
        self.value = value
        self.default = default

    def of(self, params: Mapping[str, str]) -> str | None:
        """Returns the parameter of a request, or the default."""
        text = params.get(self.key)
        return self.default if text is None else text


class NumberParamField(ParamField):
    """A number between `minimum` and `maximum`, or one of `enums`."""

    json_type = "number"

    def __init__(
        self,
        key: str,
        minimum: float = 0,
        maximum: float = 100,
        enums: list[float] | None = None,
        required: bool = False,
        value: Any = 0,
        description: str = "",
        title: str = "",
        default: float | None = None,
        **_: Any,
    ) -> None:
        super().__init__(key, required, description, title)
        self.minimum = minimum
        self.maximum = maximum
        self.enums = list(enums or [])
        self.value = value
        self.default = default

    def of(self, params: Mapping[str, str]) -> float | None:
        """Returns the parameter of a request as a number, or the default.

        Raises:
            ValueError: it is none; a gateway lets no such request pass.
        """
        text = self._text(params)
        if text is None:
            return None if self.default is None else float(self.default)
        try:
            return float(text)
        except ValueError:
            raise self._wrong(text) from None


class IntegerParamField(NumberParamField):
    """An integer between `minimum` and `maximum`, or one of `enums`."""

    json_type = "integer"

    def of(self, params: Mapping[str, str]) -> int | None:
        """Returns the parameter of a request as a whole number, or the default.

        Raises:
            ValueError: it is none; a gateway lets no such request pass.
        """
        text = self._text(params)
        if text is None:
            return None if self.default is None else int(self.default)
        try:
            return int(text)
        except ValueError:
            raise self._wrong(text) from None


class BooleanParamField(ParamField):
    """A true-or-false parameter; the wrapper receives "true" or "false"."""

    json_type = "boolean"

    def __init__(
        self, key: str, title: str = "", default: bool = False, required: bool = False, **_: Any
    ) -> None:
        super().__init__(key, required, title=title)
        self.value = self.default = default

    def of(self, params: Mapping[str, str]) -> bool:
        """Returns whether the parameter of a request is true; the default where it was not sent.

        Raises:
            ValueError: it is neither true nor false; a gateway lets no such request pass.
        """
        text = self._text(params)
        if text is None:
            return bool(self.default)
        if text not in ("true", "false"):
            raise self._wrong(text)
        return text == "true"


class PayloadField(Field):
    """Data under `payload.<key>`, or an output when declared in `responseCls`.

    Attributes:
        declared_encoding: what its author says the data is; "" where he says nothing. Of an output it decides
            the content type, where its bytes do not tell it and the caller asks for nothing else.
    """

    data_type = DataText
    declared_encoding = ""


class StringBodyField(PayloadField):
    """Text."""

    def __init__(
        self,
        key: str,
        value: Any = b" ",
        need_base64: bool = False,
        encoding: str = "utf8",
        format: str = "plain",
        compress: str = "raw",
        status: int = 3,
        **_: Any,
    ) -> None:
        super().__init__(key)
        self.value = value
        self.need_base64 = need_base64
        self.encoding = encoding
        self.format = format
        self.compress = compress
        self.status = status


class JsonBodyField(PayloadField):
    """A JSON document, carried as text."""

    def __init__(self, key: str, value: Any = "", need_base64: bool = False, **_: Any) -> None:
        super().__init__(key)
        self.value = value
        self.need_base64 = need_base64


class AudioBodyField(PayloadField):
    """Sound."""

    data_type = DataAudio

    def __init__(
        self,
        key: str,
        path: str = "",
        encoding: str | None = None,
        format: str = "plain",
        compress: str = "raw",
        status: int = 3,
        **_: Any,
    ) -> None:
        super().__init__(key)
        self.path = path
        self.encoding = encoding or "raw"
        self.declared_encoding = encoding or ""
        self.format = format
        self.compress = compress
        self.status = status


class ImageBodyField(PayloadField):
    """A picture."""

    data_type = DataImage

    def __init__(
        self,
        key: str,
        path: str = "",
        need_base64: bool = False,
        encoding: str | None = None,
        status: int = 3,
        **_: Any,
    ) -> None:
        super().__init__(key)
        self.path = path
        self.need_base64 = need_base64
        self.encoding = encoding or "jpg"
        self.declared_encoding = encoding or ""
        self.status = status


class VideoBodyField(PayloadField):
    """A film."""

    data_type = DataVideo

    def __init__(
        self, key: str, path: str = "", encoding: str | None = None, status: int = 3, **_: Any
    ) -> None:
        super().__init__(key)
        self.path = path
        self.encoding = encoding or "raw"
        self.declared_encoding = encoding or ""
        self.status = status


class OtherBodyField(PayloadField):
    """Data of another kind: an archive, a point cloud."""

    data_type = DataOther

    def __init__(
        self, key: str, path: str = "", encoding: str | None = None, status: int = 3, **_: Any
    ) -> None:
        super().__init__(key)
        self.path = path
        self.encoding = encoding or "raw"
        self.declared_encoding = encoding or ""
        self.status = status
