"""Which notes are played: the ONNX file of basic-pitch, whose own code needs TensorFlow or more."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy
import onnxruntime
from made import PITCHES_HZ, samples, sung

INPUTS = tuple(map(sung, PITCHES_HZ))

#: Of one window of the model.
WINDOW = 43844


def load() -> Any:
    # Found and not imported.
    (folder,) = importlib.util.find_spec("basic_pitch").submodule_search_locations
    return onnxruntime.InferenceSession(str(Path(folder, "saved_models", "icassp_2022", "nmp.onnx")))


def answer(model: Any, data: bytes) -> Any:
    window = numpy.zeros((1, WINDOW, 1), numpy.float32)
    given = samples(data)[:WINDOW]
    window[0, : given.size, 0] = given
    outputs = model.run(None, {model.get_inputs()[0].name: window})
    return {"strongest": [[float(item) for item in output[0].max(axis=0)] for output in outputs]}
