"""Where somebody speaks: the ONNX file of silero-vad, whose own code needs torch."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
from made import PITCHES_HZ, RATE, samples, sung

INPUTS = tuple(map(sung, PITCHES_HZ))

#: Of one window; before it comes the end of the one before.
WINDOW, CONTEXT = 512, 64


def load() -> Any:
    # Found and not imported.
    (folder,) = importlib.util.find_spec("silero_vad").submodule_search_locations
    return onnxruntime.InferenceSession(str(Path(folder, "data", "silero_vad.onnx")))


def answer(model: Any, data: bytes) -> Any:
    (found,) = spoken(model, samples(data)[None])
    return found


def answers(model: Any, many: list[bytes]) -> list[Any]:
    sounds = [samples(data) for data in many]
    if len({sound.size for sound in sounds}) > 1:
        return [answer(model, data) for data in many]
    return spoken(model, numpy.stack(sounds))


def spoken(model: Any, sounds: Any) -> list[Any]:
    """Returns how likely speech is in each window of each sound."""
    state = numpy.zeros((2, len(sounds), 128), numpy.float32)
    padded = numpy.pad(sounds, ((0, 0), (CONTEXT, WINDOW)))
    found = []
    for start in range(0, sounds.shape[1], WINDOW):
        given = {
            "input": padded[:, start : start + CONTEXT + WINDOW],
            "state": state,
            "sr": numpy.array(RATE),
        }
        likely, state = model.run(None, given)
        found.append(likely[:, 0])
    return [{"likely": [float(item) for item in row]} for row in numpy.transpose(found)]
