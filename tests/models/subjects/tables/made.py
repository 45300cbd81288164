"""Measures of flowers, as scikit-learn brings them."""

import json
from typing import Any

from sklearn.datasets import load_iris

#: As what it is sent.
TYPE, ENCODING = "text", "utf8"


def measures() -> tuple[Any, Any]:
    """Returns the sides of 150 flowers, and which of three kinds each is."""
    sides, kinds = load_iris(return_X_y=True)
    return sides, kinds


def rows(*places: int) -> bytes:
    """Returns some flowers, as a caller sends them."""
    return json.dumps({"rows": measures()[0][list(places)].tolist()}).encode()


INPUTS = (rows(0, 50, 100), rows(10, 60), rows(20, 70, 120, 149), rows(99))
