"""Reads the handwritten digit in a picture, with a small network that train.py has trained."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from athena.sdk import (
    DataListCls,
    ImageBodyField,
    JsonBodyField,
    Response,
    ResponseData,
    WrapperBase,
    onnx,
)

NO_PICTURE = 1
TOO_LARGE = 2

MAX_PIXELS = 16_000_000

#: What the network was trained on: 8 x 8 pixels, 0 for paper and 1 for ink.
SIDE = 8


class UserRequest:
    """What the caller sends."""

    image = ImageBodyField(key="image", path="seven.png")


class UserResponse:
    """What the caller gets: {"digit": 7, "score": 0.99, "scores": [...]}."""

    accept_digit = JsonBodyField(key="digit")


class Wrapper(WrapperBase):
    """Runs the network, on one picture or on a batch of them."""

    serviceId = "digits"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.session = onnx.open_session(
            Path(__file__).parent / "model.onnx",
            threads=int(config.get("threads", "1")),
            keeps_memory=True,
            warm_up=[{"pictures": (1, SIDE * SIDE)}],
        )
        return 0

    def wrapperOnceExec(
        self, params: dict[str, str], reqData: DataListCls, usrTag: str = "", persId: int = 0
    ) -> Response:
        return self.wrapperBatchExec([params], [reqData])[0]

    def wrapperBatchExec(
        self, params_list: list[dict[str, str]], req_list: list[DataListCls]
    ) -> list[Response]:
        """Answers several requests with one run of the network; a bad picture fails alone."""
        pixels = [read_picture(inputs) for inputs in req_list]
        good = [item for item in pixels if isinstance(item, np.ndarray)]
        scores = iter(self._scores(good))
        return [
            Response().response_err(item) if isinstance(item, int) else answer(next(scores))
            for item in pixels
        ]

    def wrapperError(self, ret: int) -> str:
        texts = {
            NO_PICTURE: "payload.image holds no picture",
            TOO_LARGE: f"payload.image has more than {MAX_PIXELS} pixels",
        }
        return texts.get(ret, "")

    def _scores(self, pictures: list[Any]) -> list[list[float]]:
        if not pictures:
            return []
        (scores,) = self.session.run({"pictures": np.stack(pictures)})
        return scores.tolist()


def answer(scores: list[float]) -> Response:
    """Returns the digit with the highest score, and all scores."""
    rounded = [round(score, 6) for score in scores]
    best = scores.index(max(scores))
    output = ResponseData(key="digit")
    output.setData(json.dumps({"digit": best, "score": rounded[best], "scores": rounded}))
    response = Response()
    response.list = [output]
    return response


def read_picture(inputs: DataListCls) -> Any:
    """Returns the 64 pixels that the network reads, or an error code."""
    node = inputs.get("image")
    if node is None or not node.data:
        return NO_PICTURE
    try:
        with Image.open(io.BytesIO(node.data)) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                return TOO_LARGE
            return to_pixels(picture)
    except Image.DecompressionBombError:
        return TOO_LARGE
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning):
        return NO_PICTURE


def to_pixels(picture: Image.Image) -> Any:
    """Returns a picture as 64 numbers; dark on light and light on dark are told apart by the border."""
    grey = picture.convert("L")
    # Shrunk before anything is computed: 64 numbers cost less than all pixels.
    small = grey.convert("F").resize((SIDE, SIDE), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float32).reshape(-1) / 255
    if border_mean(np.asarray(grey)) > 127.5:
        pixels = 1 - pixels
    highest = float(pixels.max())
    return pixels / highest if highest > 0 else pixels


def border_mean(grey: Any) -> float:
    """Returns how light a picture's border is, from 0 to 255."""
    sides = (grey[0], grey[-1], grey[:, 0], grey[:, -1])
    return sum(int(side.sum()) for side in sides) / sum(side.size for side in sides)
