"""Which flower has these sides: a pipeline of scikit-learn, trained at load and run by ONNX Runtime."""

import json
from typing import Any

import numpy
import onnxruntime
from made import INPUTS as INPUTS
from made import measures
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def load() -> Any:
    sides, kinds = measures()
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(sides, kinds)
    model = to_onnx(pipeline, sides[:1].astype(numpy.float32))
    return onnxruntime.InferenceSession(model.SerializeToString())


def answer(model: Any, data: bytes) -> Any:
    (found,) = answers(model, [data])
    return found


def answers(model: Any, many: list[bytes]) -> list[Any]:
    tables = [numpy.array(json.loads(data)["rows"], numpy.float32).reshape(-1, 4) for data in many]
    kinds, likely = model.run(None, {"X": numpy.concatenate(tables)})
    ends = numpy.cumsum([len(table) for table in tables])
    return [
        {
            "kinds": [int(kind) for kind in kinds[end - len(table) : end]],
            "likely": [list(map(float, row.values())) for row in likely[end - len(table) : end]],
        }
        for table, end in zip(tables, ends, strict=True)
    ]
