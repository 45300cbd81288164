"""The lines of text in a picture: RapidOCR's first package, with the models before those of `lines`."""

from typing import Any

from made import WORDS, drawn
from rapidocr_onnxruntime import RapidOCR

INPUTS = tuple(drawn(word, 320, 96) for word in WORDS)


def load() -> Any:
    return RapidOCR()


def answer(model: Any, data: bytes) -> Any:
    found, _ = model(data)
    return {"lines": [[text, round(float(score), 4)] for _, text, score in found or ()]}
