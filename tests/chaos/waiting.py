"""What all of chaos needs: ports, and conditions that come true in time."""

import time
from collections.abc import Callable
from typing import Any

START_TIMEOUT_S = 120.0


def never() -> bool:
    """Nothing hinders."""
    return False


def wait_for(
    holds: Callable[[], Any], timeout_s: float, what: str, is_hindered: Callable[[], bool] = never
) -> float:
    """Waits for a condition; returns how many seconds that took.

    Args:
        holds: the condition.
        timeout_s: how long it may take, without the time in which it is hindered.
        what: it is called in an error.
        is_hindered: whether something else keeps the condition from coming true at the moment.

    Raises:
        TimeoutError: it did not come true in time.
    """
    began_s = looked_s = time.monotonic()
    left_s = timeout_s
    while not holds():
        now_s = time.monotonic()
        left_s -= 0 if is_hindered() else now_s - looked_s
        looked_s = now_s
        if left_s < 0:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began_s
