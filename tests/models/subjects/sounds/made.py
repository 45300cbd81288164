"""Sounds that the tests make, and how they are read."""

import io
import wave
from typing import Any

import numpy

#: As what it is sent.
TYPE, ENCODING = "audio", "wav"

RATE = 16000

PITCHES_HZ = (110, 196, 330, 523)


def sung(pitch_hz: float, seconds: float = 1.0) -> bytes:
    """Returns a WAV file of a tone that swells, with overtones and a little noise."""
    times_s = numpy.arange(round(RATE * seconds)) / RATE
    tone = sum(numpy.sin(2 * numpy.pi * pitch_hz * part * times_s) / part for part in range(1, 6))
    noise = numpy.random.default_rng(round(pitch_hz)).normal(0, 0.02, times_s.size)
    swell = numpy.sin(numpy.pi * times_s / seconds)
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        sound.writeframes(((tone * swell + noise) * 9000).astype("<i2").tobytes())
    return file.getvalue()


def frames(data: bytes) -> bytes:
    """Returns the samples of a WAV file, as they lie in it."""
    with wave.open(io.BytesIO(data)) as sound:
        return sound.readframes(sound.getnframes())


def samples(data: bytes) -> Any:
    """Returns the samples of a WAV file as numbers from -1 to 1."""
    return numpy.frombuffer(frames(data), "<i2").astype(numpy.float32) / 32768
