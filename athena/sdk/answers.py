"""A response in one line: texts, JSON, arrays, pictures and sounds by the names of their outputs."""

import io
import json
from collections.abc import Mapping
from typing import Any

from athena.sdk.data import Bytes, Response, ResponseData
from athena.sdk.types import DataImage, DataText


def answer(outputs: Mapping[str, Any] | None = None, **named: Any) -> Response:
    """Returns a response with an output for each name.

    A text stays a text, and bytes, such as those of `wav`, stay bytes. Lists, objects, numbers, NumPy's
    arrays and numbers become JSON, and one of Pillow's pictures a PNG file.

    Args:
        outputs: by name, where a name is none of Python's.
        named: by name.

    Raises:
        TypeError: a value is of another kind.
        ValueError: JSON has no form for a number, such as NaN.
    """
    response = Response()
    response.list = [_output(key, value) for key, value in {**(outputs or {}), **named}.items()]
    return response


def _output(key: str, value: Any) -> ResponseData:
    if isinstance(value, str | Bytes):
        return ResponseData(key, value)
    if hasattr(value, "save") and hasattr(value, "getbands"):
        file = io.BytesIO()
        value.save(file, "PNG")
        return ResponseData(key, file.getvalue(), type=DataImage)
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        raise ValueError(
            f"output {key!r} holds a number that JSON has not, such as NaN: replace it, for example by "
            f"numpy.nan_to_num ({error})"
        ) from error
    except TypeError as error:
        raise TypeError(
            f"output {key!r} has a {type(value).__name__}: {error}; give a text, bytes, what JSON can hold, "
            "an array or a picture"
        ) from error
    return ResponseData(key, text, type=DataText)


def _plain(value: Any) -> Any:
    """Returns an array or a number of NumPy's, or what offers the same, as Python's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is nothing that JSON can hold")
