"""Whether two answers are one. Pure."""

import math
from typing import Any


def is_near(found: Any, right: Any, tolerance: float) -> bool:
    """Whether an answer is the right one.

    Args:
        tolerance: how far its numbers may be from the right ones, in parts of the largest number beside, and
            of 1 where there is none as large.
    """
    if isinstance(right, dict):
        return (
            isinstance(found, dict)
            and found.keys() == right.keys()
            and all(is_near(found[key], item, tolerance) for key, item in right.items())
        )
    if not isinstance(right, list):
        return _is_one(found, right, tolerance, right)
    if not isinstance(found, list) or len(found) != len(right):
        return False
    largest = max((abs(item) for item in right if isinstance(item, float)), default=0.0)
    return all(
        is_near(one, other, tolerance)
        if isinstance(other, dict | list)
        else _is_one(one, other, tolerance, largest)
        for one, other in zip(found, right, strict=True)
    )


def _is_one(found: Any, right: Any, tolerance: float, largest: Any) -> bool:
    if not isinstance(right, float) or not isinstance(found, float):
        return bool(found == right and type(found) is type(right))
    return math.isclose(found, right, rel_tol=0.0, abs_tol=tolerance * max(1.0, abs(largest)))
