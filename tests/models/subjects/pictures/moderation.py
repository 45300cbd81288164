"""What in a picture may not be shown: nudenet. There is nothing of the kind in these."""

from typing import Any

import cv2
import numpy
from made import WORDS, drawn
from nudenet import NudeDetector

INPUTS = tuple(drawn(word, 320, 320) for word in WORDS)


def load() -> Any:
    return NudeDetector()


def answer(model: Any, data: bytes) -> Any:
    picture = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)
    raw = model.onnx_session.run(
        None, {model.input_name: cv2.dnn.blobFromImage(picture, 1 / 255, (320, 320))}
    )
    return {"found": model.detect(picture), "largest": [float(row.max()) for row in raw[0][0]]}
