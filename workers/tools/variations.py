"""Other requests like an example: louder, quieter, shorter, longer ones."""

import importlib
import io
import wave
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import orjson
import pybase64

from athena.jobs.message import JobMessage, MessageInput
from athena.protocol.codings import decode_input
from athena.protocol.sniffing import sniff
from workers.tools.samples import bytes_of, numbers_of

#: By how much the loud one is louder, and the quiet one quieter: what int8 keeps of the quiet one beside the
#: loud one is next to nothing.
LOUD, QUIET = 8.0, 1 / 16

#: Examples are small; a packed one that is not fails.
MAX_BYTES = 64 * 1024 * 1024

_TEXT, _AUDIO, _IMAGE = 0, 1, 2

#: Headless sound: 16 bits, as nearly all of it is.
_HEADLESS = frozenset(("raw", "pcm"))


class Variation(NamedTuple):
    """A request like the example, and what is different in it."""

    name: str
    message: JobMessage


def variations_of(example: JobMessage) -> list[Variation]:
    """Returns the example and requests like it; only the example where nothing in it can be varied.

    Whether the ability accepts them has to be tried.
    """
    plain = [_decoded(item) for item in example.inputs]
    found: dict[str, list[MessageInput]] = {}
    for index, item in enumerate(plain):
        for name, data in _varied(item.type, pybase64.b64decode(item.text or ""), item.attributes):
            inputs = found.setdefault(name, list(plain))
            inputs[index] = _with_data(item, data)
    return [
        Variation("example", example),
        *(Variation(name, example._replace(inputs=tuple(inputs))) for name, inputs in found.items()),
    ]


def _decoded(item: MessageInput) -> MessageInput:
    """Returns an input whose bytes are those that the wrapper sees."""
    given = pybase64.b64decode(item.text or "")
    data, attributes = decode_input("", item.type, given, item.attributes, MAX_BYTES, 0)
    return _with_data(item._replace(attributes=attributes), data)


def _with_data(item: MessageInput, data: bytes) -> MessageInput:
    return item._replace(size=len(data), text=pybase64.b64encode(data).decode())


def _varied(type: int, data: bytes, attributes: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    if type == _TEXT:
        yield from _texts(data)
    elif type == _IMAGE:
        yield from _pictures(data)
    elif sniff(data) == "wav":
        yield from _sounds(data)
    elif type == _AUDIO and attributes.get("encoding") in _HEADLESS:
        yield "quiet", _scaled(data, QUIET)
        yield "loud", _scaled(data, LOUD)
        yield "short", data[: len(data) // 4 * 2]


def _texts(data: bytes) -> Iterator[tuple[str, bytes]]:
    with suppress(ValueError):
        document = orjson.loads(data)
        if isinstance(document, list | dict):
            yield "quiet", orjson.dumps(_mapped(document, lambda number: number * QUIET, _first_words))
            yield "loud", orjson.dumps(_mapped(document, lambda number: number * LOUD, _twice))
            return
    with suppress(UnicodeDecodeError):
        text = data.decode()
        if text.strip():
            yield "short", _first_words(text).encode()
            yield "long", _twice(text).encode()
            yield "turned", " ".join(reversed(text.split())).encode()


def _mapped(value: Any, number: Callable[[float], float], text: Callable[[str], str]) -> Any:
    """Returns a document with its numbers and texts changed; whole numbers stay whole."""
    if isinstance(value, dict):
        return {key: _mapped(item, number, text) for key, item in value.items()}
    if isinstance(value, list):
        return [_mapped(item, number, text) for item in value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool) or value is None:
        return value
    return round(number(value)) if isinstance(value, int) else number(value)


def _first_words(text: str) -> str:
    words = text.split(" ")
    return " ".join(words[: max(1, len(words) // 3)])


def _twice(text: str) -> str:
    return f"{text} {text}"


def _sounds(data: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with wave.open(io.BytesIO(data)) as sound:
            params, frames = sound.getparams(), sound.readframes(sound.getnframes())
    except (wave.Error, EOFError):
        return
    if params.sampwidth == 2:
        yield "quiet", _wav(params, _scaled(frames, QUIET))
        yield "loud", _wav(params, _scaled(frames, LOUD))
    half = len(frames) // 2
    yield "short", _wav(params, frames[: half - half % (params.sampwidth * params.nchannels)])


def _wav(params: Any, frames: bytes) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setnchannels(params.nchannels)
        sound.setsampwidth(params.sampwidth)
        sound.setframerate(params.framerate)
        sound.writeframes(frames)
    return buffer.getvalue()


def _scaled(data: bytes, factor: float) -> bytes:
    """Returns 16-bit samples by a factor louder, cut where they are too loud."""
    return bytes_of("h", (max(-32768, min(32767, round(item * factor))) for item in numbers_of("h", data)))


def _pictures(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields a dark, a turned and a small picture, if Pillow is there."""
    try:
        image_module = importlib.import_module("PIL.Image")
        with image_module.open(io.BytesIO(data)) as picture:
            form, whole = picture.format, picture.convert("RGB")
    except Exception:  # Pillow is not there, or cannot read it: it raises whatever its plug-ins do
        return
    dark = whole.point(lambda value: value * 2 // 5)
    half = (max(1, whole.width // 2), max(1, whole.height // 2))
    changed = {
        "dark": dark,
        "turned": whole.transpose(image_module.Transpose.ROTATE_180),
        "small": whole.resize(half),
    }
    for name, picture in changed.items():
        buffer = io.BytesIO()
        with suppress(OSError):
            picture.save(buffer, form)
            yield name, buffer.getvalue()
