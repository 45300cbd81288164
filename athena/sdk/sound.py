"""Sound in and out: whatever file the caller has sent, as the numbers that a model wants.

Needs the extra `media` of athena-serving, which is imported when the first sound is read.
"""

import importlib
import io
import wave
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from athena.sdk.data import DataListNode
from athena.sdk.errors import InputError

if TYPE_CHECKING:
    import numpy

#: Containers that are read; others of the library are of no caller's.
FORMATS = frozenset(("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "AU", "CAF"))

READABLE = "WAV, FLAC, MP3, OGG (Vorbis, Opus) and AIFF are"

#: Encodings of sound without a head.
_HEADLESS = frozenset(("raw", "pcm"))

#: Lengths in the head of a WAV file that was written before its end was known.
_UNKNOWN_LENGTHS = frozenset((0, 0x7FFFFFFF, 0x7FFFF000, 0xFFFFFFFF, 0x7FFFFFFF - 36, 0xFFFFFFFF - 36))

#: Whoever has more is no recording, and would need as much more memory.
MAX_CHANNELS = 32
MIN_RATE, MAX_RATE = 1000, 768_000


def audio(
    node: DataListNode | bytes | None, rate: int = 16000, *, max_s: float = 600
) -> "numpy.ndarray[Any, numpy.dtype[numpy.float32]]":
    """Returns a recording as numbers from -1 to 1, of one channel, at the rate that a model wants.

    Several channels become their mean, another rate is resampled. Sound without a head (`encoding` raw or
    pcm) is taken as the input's `sample_rate` (16,000), `channels` (1) and `bit_depth` (16) say.

    Args:
        node: the input, or its bytes.
        rate: samples a second.
        max_s: a longer recording is refused, before more of it is read.

    Raises:
        InputError: there is none, it cannot be read, is cut off, or is too long.
    """
    import numpy

    key, data = (node.key, node.data) if isinstance(node, DataListNode) else ("", node)
    if not data:
        raise InputError("holds no sound", key)
    attributes: Mapping[str, str] = node.attributes if isinstance(node, DataListNode) else {}
    if attributes.get("encoding", "").lower() in _HEADLESS and not data.startswith((b"RIFF", b"fLaC")):
        samples, found_rate = _headless(data, attributes, max_s, key)
    else:
        samples, found_rate = _read(data, max_s, key)
    if not len(samples):
        raise InputError("holds no samples", key)
    mono: numpy.ndarray[Any, numpy.dtype[numpy.float32]] = samples.mean(axis=1, dtype=numpy.float32)
    if not numpy.isfinite(mono).all():
        raise InputError("holds samples that are no numbers", key)
    if found_rate == rate:
        return mono
    resampled: numpy.ndarray[Any, numpy.dtype[numpy.float32]] = _library("soxr").resample(
        mono, found_rate, rate
    )
    return resampled


def wav(samples: Any, rate: int) -> bytes:
    """Returns a WAV file of 16 bits.

    Args:
        samples: numbers from -1 to 1, louder ones are cut; or whole numbers of 16 bits. Of one channel, or a
            row for each moment with a column for each channel.
        rate: samples a second.

    Raises:
        ValueError: they are no such numbers.
    """
    import numpy

    array = numpy.asarray(samples)
    if array.ndim not in (1, 2) or array.dtype.kind not in "fi" or not numpy.isfinite(array).all():
        raise ValueError("samples must be numbers: of one channel, or rows with a column for each channel")
    if array.dtype.kind == "f":
        array = numpy.rint(numpy.clip(array, -1, 1) * 32767)
    elif array.dtype != numpy.int16:
        raise ValueError(f"whole numbers must be of 16 bits (int16), not {array.dtype}")
    file = io.BytesIO()
    with wave.open(file, "wb") as target:
        target.setnchannels(1 if array.ndim == 1 else array.shape[1])
        target.setsampwidth(2)
        target.setframerate(rate)
        target.writeframes(array.astype("<i2").tobytes())
    return file.getvalue()


def _read(data: bytes, max_s: float, key: str) -> tuple[Any, int]:
    """Returns a file's samples, a row for each moment, and their rate."""
    library = _library("soundfile")
    _check_whole(data, key)
    try:
        with library.SoundFile(io.BytesIO(data)) as sound:
            if sound.format not in FORMATS:
                raise InputError(f"is {sound.format}, which is not read; {READABLE}", key)
            _check_kind(sound.samplerate, sound.channels, key)
            limit = int(max_s * sound.samplerate)
            samples = sound.read(limit + 1, dtype="float32", always_2d=True)
            expected = min(sound.frames, limit + 1)
            is_counted = sound.format == "FLAC"
    except library.SoundFileError as error:
        raise InputError(f"is no sound that can be read ({_line(error)}); {READABLE}", key) from error
    if len(samples) > limit:
        raise InputError(f"lasts more than {max_s:g} s", key)
    if is_counted and len(samples) < expected:
        raise InputError(f"is cut off: {len(samples)} of {expected} samples are there", key)
    return samples, int(sound.samplerate)


def _check_whole(data: bytes, key: str) -> None:
    """Refuses a WAV file whose end is missing: the library would take what is there."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return
    place = 12
    while place + 8 <= len(data):
        name, length = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        there = len(data) - place - 8
        if name == b"data":
            if length > there and length not in _UNKNOWN_LENGTHS:
                raise InputError(f"is cut off: {there} of {length} bytes of samples are there", key)
            return
        place += 8 + length + length % 2


def _headless(data: bytes, attributes: Mapping[str, str], max_s: float, key: str) -> tuple[Any, int]:
    import numpy

    rate = _whole_number(attributes, "sample_rate", 16000, key)
    channels = _whole_number(attributes, "channels", 1, key)
    depth = _whole_number(attributes, "bit_depth", 16, key)
    _check_kind(rate, channels, key)
    # Not 8: whether these have a sign nobody says.
    kinds = {16: ("<i2", 32768.0), 32: ("<i4", 2147483648.0)}
    if depth not in kinds:
        raise InputError(f"has a bit_depth of {depth}; 16 and 32 are read without a head", key)
    kind, scale = kinds[depth]
    width = numpy.dtype(kind).itemsize * channels
    if len(data) % width:
        raise InputError(f"has {len(data)} bytes, which are no whole samples of {width}", key)
    if len(data) > max_s * rate * width:
        raise InputError(f"lasts more than {max_s:g} s", key)
    samples = numpy.frombuffer(data, kind).astype(numpy.float32) / numpy.float32(scale)
    return samples.reshape(-1, channels), rate


def _check_kind(rate: int, channels: int, key: str) -> None:
    if not MIN_RATE <= rate <= MAX_RATE or not 0 < channels <= MAX_CHANNELS:
        raise InputError(f"has {channels} channels of {rate} samples a second, which is not read", key)


def _whole_number(attributes: Mapping[str, str], name: str, default: int, key: str) -> int:
    try:
        return int(attributes.get(name) or default)
    except ValueError:
        raise InputError(f"has a {name} of {attributes[name]!r}, which is no number", key) from None


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ImportError(f"{name} is missing: pip install 'athena-serving[media]' ({error})") from error


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
