"""How high a voice is: swift-f0."""

from typing import Any

from made import PITCHES_HZ, RATE, samples, sung
from swift_f0 import SwiftF0

INPUTS = tuple(map(sung, PITCHES_HZ))


def load() -> Any:
    return SwiftF0()


def answer(model: Any, data: bytes) -> Any:
    found = model.detect(samples(data), RATE)
    return {"hz": found.pitch_hz.tolist(), "confidence": found.confidence.tolist()}
