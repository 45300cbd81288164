"""What all of chaos needs: ports, and conditions that come true in time."""

import time
from collections.abc import Callable
from typing import Any

START_TIMEOUT_S = 120.0


def wait_for(holds: Callable[[], Any], timeout_s: float, what: str) -> float:
    """Waits for a condition; returns how many seconds that took.

    Raises:
        TimeoutError: it did not come true in time.
    """
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began_s
