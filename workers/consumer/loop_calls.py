"""What only Celery's thread may do, and another thread wants done."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

#: Celery's loop is woken so often at most for what nobody waits for.
WAKE_EVERY_S = 0.2


class LoopCalls:
    """Calls for the thread of Celery's loop, which makes this; those that come from it are made at once.

    Args:
        wake: gives the loop a turn, from any thread.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._calls: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self._thread = threading.get_ident()
        self._woken_s = 0.0

    def do(self, step: Callable[..., Any], *given: Any) -> None:
        """Has something done that nobody waits for; it may take until the loop's next turn."""
        if threading.get_ident() == self._thread:
            step(*given)
            return
        self._calls.append((step, given))
        now_s = time.monotonic()
        if now_s - self._woken_s >= WAKE_EVERY_S:
            self._woken_s = now_s
            self._wake()

    def run(self) -> None:
        """Makes the calls that have come, in their order."""
        while self._calls:
            step, given = self._calls.popleft()
            step(*given)
