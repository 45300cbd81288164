"""Arabic with its vowels: text2tashkeel, whose model is of int8."""

from typing import Any

from made import ARABIC
from text2tashkeel import Diacritizer

INPUTS = tuple(map(str.encode, ARABIC))


def load() -> Any:
    return Diacritizer()


def answer(model: Any, data: bytes) -> Any:
    return {"text": model.diacritize(data.decode())}
