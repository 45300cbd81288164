"""Which mark each Arabic letter gets: a network of text2tashkeel that is quantised as it runs, in batches.

A batch changes its answers: all of its texts share one scale, and their ends are read after the filling.
"""

from typing import Any

import numpy
from made import ARABIC
from text2tashkeel import Diacritizer
from text2tashkeel._models import _BILSTM_C2I as NUMBERS
from text2tashkeel._models import _BILSTM_UNK as UNKNOWN

INPUTS = tuple(map(str.encode, ARABIC))


def load() -> Any:
    return Diacritizer("bilstm-int8").backend.sess


def answer(model: Any, data: bytes) -> Any:
    (found,) = answers(model, [data])
    return found


def answers(model: Any, many: list[bytes]) -> list[Any]:
    rows = [[NUMBERS.get(letter, UNKNOWN) for letter in data.decode()] for data in many]
    ids = numpy.zeros((len(rows), max(map(len, rows))), numpy.int64)
    for filled, row in zip(ids, rows, strict=True):
        filled[: len(row)] = row
    (logits,) = model.run(["logits"], {"input_ids": ids})
    return [{"largest": one[: len(row)].max(axis=1).tolist()} for one, row in zip(logits, rows, strict=True)]
