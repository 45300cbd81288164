"""Numbers in bytes, in little-endian order, as sounds and arrays have them."""

import array
import sys
from collections.abc import Iterable
from typing import Any


def numbers_of(code: str, data: bytes) -> "array.array[Any]":
    """Returns the numbers of a type of `array` that bytes hold; part of one at the end is left out."""
    numbers: array.array[Any] = array.array(code)
    numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return _little_endian(numbers)


def bytes_of(code: str, numbers: Iterable[float]) -> bytes:
    """Returns the bytes that `numbers_of` reads."""
    return _little_endian(array.array(code, numbers)).tobytes()


def _little_endian(numbers: "array.array[Any]") -> "array.array[Any]":
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
