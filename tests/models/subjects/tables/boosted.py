"""Which flower has these sides: trees of LightGBM, trained at load and run by it."""

import json
from typing import Any

import numpy
from lightgbm import LGBMClassifier
from made import INPUTS as INPUTS
from made import measures


def load() -> Any:
    sides, kinds = measures()
    return LGBMClassifier(n_estimators=50, random_state=1, n_jobs=1, verbose=-1).fit(sides, kinds)


def answer(model: Any, data: bytes) -> Any:
    (found,) = answers(model, [data])
    return found


def answers(model: Any, many: list[bytes]) -> list[Any]:
    tables = [numpy.array(json.loads(data)["rows"]).reshape(-1, 4) for data in many]
    likely = model.predict_proba(numpy.concatenate(tables))
    parts = numpy.split(likely, numpy.cumsum([len(table) for table in tables])[:-1])
    return [{"likely": part.tolist()} for part in parts]
