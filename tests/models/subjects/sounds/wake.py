"""Whether a wake word is said: pymicro-wakeword, whose models are TensorFlow Lite's."""

from typing import Any

from made import PITCHES_HZ, frames, sung
from pymicro_wakeword import MicroWakeWord, MicroWakeWordFeatures, Model

INPUTS = tuple(map(sung, PITCHES_HZ))


def load() -> Any:
    return MicroWakeWord.from_builtin(Model.OKAY_NABU)


def answer(model: Any, data: bytes) -> Any:
    model.reset()
    # A new one: what it was given before is not to be heard again.
    features = list(MicroWakeWordFeatures().process_streaming(frames(data)))
    likely = [model.process_streaming_prob(item) for item in features]
    return {"likely": [item for item in likely if item is not None], "heard": features[-1].ravel().tolist()}
