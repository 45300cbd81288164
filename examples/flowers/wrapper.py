"""Tells which iris has these measures: a pipeline of scikit-learn, run by ONNX Runtime (`train.py`)."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from athena.sdk import (
    BatchWrapper,
    DataListCls,
    InputError,
    JsonBodyField,
    Response,
    answer,
    onnx,
)

MEASURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")


class UserRequest:
    """What the caller sends: {"sepal_length": 5.1, …}, in centimetres."""

    flower = JsonBodyField(key="flower")


class UserResponse:
    """What the caller gets: the kind, and how likely each is."""

    accept_iris = JsonBodyField(key="iris")


class Wrapper(BatchWrapper):
    """Runs the pipeline, on the flowers of all jobs at once."""

    serviceId = "flowers"
    version = "v1"
    requestCls = UserRequest()
    responseCls = UserResponse()

    def wrapperInit(self, config: dict[str, str]) -> int:
        self.model = onnx.open_session(Path(__file__).parent / "model.onnx", warm_up=[{"X": (1, 4)}])
        return 0

    def prepare(self, params: dict[str, str], reqData: DataListCls) -> Any:
        import numpy

        return numpy.array(measures(reqData), numpy.float32)

    def infer(self, batch: Any, sizes: Sequence[int]) -> Any:
        kinds, likely = self.model.run({"X": batch})
        return list(kinds), likely

    def respond(self, result: Any, params: dict[str, str]) -> Response:
        kind, likely = result
        return answer(
            iris={"kind": str(kind), "likely": {name: float(part) for name, part in likely.items()}}
        )


def measures(inputs: DataListCls) -> list[float]:
    """Returns the four measures of a request.

    Raises:
        InputError: one is missing, or is no length.
    """
    node = inputs.get("flower")
    try:
        flower = json.loads(node.data) if node else None
    except ValueError:
        flower = None
    if not isinstance(flower, dict):
        raise InputError(f"is no object with {', '.join(MEASURES)}", "flower")
    found = [flower.get(name) for name in MEASURES]
    for name, value in zip(MEASURES, found, strict=True):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError(f"has no number {name}", "flower")
        if not (math.isfinite(value) and 0 < value < 100):
            raise InputError(f"has a {name} of {value}, which is no length in centimetres", "flower")
    return [float(value) for value in found]
