"""Whether an answer is the right one: compares payloads. Pure."""

import math
from typing import Any

#: Numbers that differ by less are the same: a model gives other last digits on another device.
RELATIVE, ABSOLUTE = 0.01, 0.001


def difference(golden: Any, found: Any, pointer: str = "") -> str:
    """Returns where an answer is another than the right one, as a JSON pointer; "" where they agree.

    What the right answer does not name may be anything.
    """
    if isinstance(golden, dict) and isinstance(found, dict):
        members = ((f"{pointer}/{key}", golden[key], found.get(key)) for key in golden)
    elif isinstance(golden, list) and isinstance(found, list) and len(golden) == len(found):
        pairs = enumerate(zip(golden, found, strict=True))
        members = ((f"{pointer}/{index}", *pair) for index, pair in pairs)
    else:
        return "" if _is_same(golden, found) else pointer or "/"
    return next(filter(None, (difference(right, given, place) for place, right, given in members)), "")


def _is_same(golden: Any, found: Any) -> bool:
    if _is_number(golden) and _is_number(found):
        return math.isclose(golden, found, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    return type(golden) is type(found) and bool(golden == found)


def _is_number(value: Any) -> bool:
    # In Python a truth is a number as well.
    return isinstance(value, int | float) and not isinstance(value, bool)
