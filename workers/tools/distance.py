"""How far two answers to one request are from each other. Pure."""

import math
import wave
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, NamedTuple

import orjson

from athena.protocol.outputs import JSON, read_output
from athena.protocol.sniffing import sniff
from workers.tools.samples import numbers_of

#: Numbers outside are no floats that a model has written, but other bytes that are read as some.
_LEAST, _MOST = 1e-20, 1e20


class Distance(NamedTuple):
    """How far two answers are from each other.

    Attributes:
        size: the largest difference of two numbers: of a list, in parts of its largest one; of another
            number, in parts of itself, or of 1 if it is smaller. Infinite where something else differs.
        place: where that is, as a pointer.
    """

    size: float = 0.0
    place: str = ""


def distance(alone: bytes, other: bytes) -> Distance:
    """Returns how far two rendered payloads are from each other."""
    keys = orjson.loads(alone or b"{}").keys()
    if keys != orjson.loads(other or b"{}").keys():
        return Distance(math.inf, "/")
    return _largest(_of_values(f"/{key}", _content(alone, key), _content(other, key)) for key in keys)


def _content(payload: bytes, key: str) -> Any:
    """Returns an output as numbers, texts, lists and objects, as far as its bytes can be read as such."""
    output = read_output(payload, key, {})
    if output is None:
        return None
    if output.content_type == JSON:
        return orjson.loads(output.data)
    try:
        return orjson.loads(output.data)
    except ValueError:
        return _samples(output.data) or _text(output.data) or _floats(output.data) or output.data


def _samples(data: bytes) -> list[float]:
    """Returns the samples of a WAV file of 16 bits."""
    if sniff(data) != "wav":
        return []
    try:
        with wave.open(BytesIO(data)) as sound:
            if sound.getsampwidth() != 2:
                return []
            return [float(sample) for sample in numbers_of("h", sound.readframes(sound.getnframes()))]
    except (wave.Error, EOFError):
        return []


def _text(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return ""
    return text if text.isprintable() or "\n" in text else ""


def _floats(data: bytes) -> list[float]:
    """Returns numbers of 32 bits, as `numpy.tobytes` writes them; none where they are hardly that."""
    if not data or len(data) % 4:
        return []
    numbers = list(numbers_of("f", data))
    is_likely = all(number == 0 or _LEAST < abs(number) < _MOST for number in numbers)
    return numbers if is_likely else []


def _of_values(place: str, alone: Any, other: Any) -> Distance:
    if isinstance(alone, dict) and isinstance(other, dict):
        return _of_objects(place, alone, other)
    if isinstance(alone, list) and isinstance(other, list):
        return _of_lists(place, alone, other)
    if _is_number(alone) and _is_number(other):
        return Distance(_ratio(abs(alone - other), max(1.0, abs(alone), abs(other))), place)
    return Distance(0.0 if type(alone) is type(other) and alone == other else math.inf, place)


def _of_objects(place: str, alone: Mapping[str, Any], other: Mapping[str, Any]) -> Distance:
    if alone.keys() != other.keys():
        return Distance(math.inf, place)
    return _largest(_of_values(f"{place}/{key}", alone[key], other[key]) for key in alone)


def _of_lists(place: str, alone: list[Any], other: list[Any]) -> Distance:
    if len(alone) != len(other):
        return Distance(math.inf, place)
    first, second = list(_flat(alone)), list(_flat(other))
    if len(first) == len(second) and all(map(_is_number, first)) and all(map(_is_number, second)):
        scale = max((abs(number) for number in (*first, *second)), default=0.0)
        apart = (abs(one - another) for one, another in zip(first, second, strict=True))
        return Distance(max((_ratio(item, scale) for item in apart), default=0.0), place)
    pairs = enumerate(zip(alone, other, strict=True))
    return _largest(_of_values(f"{place}/{index}", *pair) for index, pair in pairs)


def _flat(items: Iterable[Any]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list):
            yield from _flat(item)
        else:
            yield item


def _ratio(difference: float, scale: float) -> float:
    if not difference:
        return 0.0
    # No number is a difference of its own kind; so is one beside an infinite scale.
    return difference / scale if math.isfinite(difference) and math.isfinite(scale) else math.inf


def _largest(distances: Iterable[Distance]) -> Distance:
    return max(distances, key=lambda item: item.size, default=Distance())


def _is_number(value: Any) -> bool:
    # In Python a truth is a number as well.
    return isinstance(value, int | float) and not isinstance(value, bool)
