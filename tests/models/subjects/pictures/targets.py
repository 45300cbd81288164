"""Where something stands in a picture: ddddocr's detector."""

from typing import Any

import ddddocr
from made import WORDS, drawn

INPUTS = tuple(drawn(word, 400, 300) for word in WORDS)


def load() -> Any:
    return ddddocr.DdddOcr(det=True, show_ad=False)


def answer(model: Any, data: bytes) -> Any:
    return {"boxes": [[int(side) for side in box] for box in model.detection(data)]}
