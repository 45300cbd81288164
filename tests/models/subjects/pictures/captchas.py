"""The word in a small picture: ddddocr."""

from typing import Any

import ddddocr
from made import WORDS, drawn

INPUTS = tuple(map(drawn, WORDS))


def load() -> Any:
    return ddddocr.DdddOcr(show_ad=False)


def answer(model: Any, data: bytes) -> Any:
    return {"text": model.classification(data)}
