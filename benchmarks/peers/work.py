"""What every contestant does with a request: the same inputs, the same work, the same answer.

The request is Athena's: `header`, `parameter` with a description of the output, `payload` with base64.
"""

import binascii
import io
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

#: Names the work in the environment of the servers, which start processes of their own.
WORK_VARIABLE = "BENCH_WORK"

MODEL = Path(__file__).resolve().parents[2] / "examples" / "digits" / "model.onnx"

CALL_S = 0.005
ITEM_S = 0.0005

SIDE = 8


class Work:
    """Answers with what it got.

    Attributes:
        source: the input's key in `payload`; `kind` is the member that holds its base64.
        target: the output's key.
        max_batch: the most inputs of one call; 1 for work that knows no batches.
    """

    source, kind, target, max_batch = "text", "text", "text", 1

    def run(self, inputs: Sequence[bytes]) -> list[bytes]:
        """Answers a batch."""
        return list(inputs)


class Model(Work):
    """Stands for a model on a GPU: a call takes 5 ms and another 0.5 ms for each input."""

    max_batch = 32

    def run(self, inputs: Sequence[bytes]) -> list[bytes]:
        """Waits as long as the model would compute."""
        time.sleep(CALL_S + ITEM_S * len(inputs))
        return list(inputs)


class Picture(Work):
    """Says how large a picture is and how it ends: nothing that costs time, and proof that it arrived."""

    source, kind, target = "image", "image", "size"

    def run(self, inputs: Sequence[bytes]) -> list[bytes]:
        """Looks at the end of each picture."""
        return [f"{len(data)} {data[-8:].hex()}".encode() for data in inputs]


class Digits(Work):
    """The classifier of examples/digits, with the same network, preprocessing and answer."""

    source, kind, target, max_batch = "image", "image", "digit", 16

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])

    def run(self, inputs: Sequence[bytes]) -> list[bytes]:
        """Runs the network once for the batch."""
        import numpy as np

        pixels = np.stack([read_pixels(data) for data in inputs])
        (scores,) = self._session.run(None, {"pictures": pixels})
        return [digit_answer(row) for row in scores]


def read_pixels(data: bytes) -> Any:
    """Returns the 64 pixels that the network reads, as examples/digits/wrapper.py does."""
    import numpy as np
    from PIL import Image

    grey = np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=np.float32) / 255
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = 1 - grey if border.mean() > 0.5 else grey
    small = Image.fromarray(ink).resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32)
    highest = float(pixels.max())
    return (pixels / highest if highest > 0 else pixels).reshape(-1)


def digit_answer(scores: Any) -> bytes:
    """Returns the digit with the highest score, and all scores."""
    best = int(scores.argmax())
    rounded = [round(float(score), 6) for score in scores]
    return json.dumps({"digit": best, "score": rounded[best], "scores": rounded}).encode()


WORKS: dict[str, type[Work]] = {"noop": Work, "batch": Model, "picture": Picture, "digits": Digits}


def work_type() -> type[Work]:
    """Returns the work that the environment names, without loading its model."""
    return WORKS[os.environ[WORK_VARIABLE]]


def decode(text: str) -> bytes:
    """Returns the bytes of base64, and raises ValueError where it is none."""
    return binascii.a2b_base64(text, strict_mode=True)


def answer(work: type[Work], output: bytes) -> dict[str, Any]:
    """Returns the response with an output, described as Athena describes it."""
    data = {"encoding": "utf8", "compress": "raw", "format": "plain", "seq": 0, "status": 3}
    data["text"] = binascii.b2a_base64(output, newline=False).decode()
    return {"header": {"code": 0, "message": "success", "status": 3}, "payload": {work.target: data}}
