"""What a speech recogniser is given: the features of onnx-asr, which are ONNX models."""

from typing import Any

import numpy
from made import PITCHES_HZ, samples, sung
from onnx_asr.preprocessors.preprocessor import OnnxPreprocessor

INPUTS = tuple(map(sung, PITCHES_HZ))


def load() -> Any:
    return OnnxPreprocessor("nemo80", {})


def answer(model: Any, data: bytes) -> Any:
    (found,) = answers(model, [data])
    return found


def answers(model: Any, many: list[bytes]) -> list[Any]:
    sounds = [samples(data) for data in many]
    sizes = numpy.array([sound.size for sound in sounds], numpy.int64)
    padded = numpy.zeros((len(sounds), sizes.max()), numpy.float32)
    for row, sound in zip(padded, sounds, strict=True):
        row[: sound.size] = sound
    features, lengths = model(padded, sizes)
    return [
        {"loudest": [float(item) for item in one[:, :length].max(axis=1)], "length": int(length)}
        for one, length in zip(features, lengths, strict=True)
    ]
