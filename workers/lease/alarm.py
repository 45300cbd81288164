"""Wakes a loop after a short time; kombu's own timers are only as exact as a second."""

import threading
import time
from collections.abc import Callable


class Alarm:
    """A thread that calls back once for each `set`; a later one replaces an earlier one.

    Args:
        ring: called from the alarm's thread.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._due_s: float | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="alarm", daemon=True)
        self._thread.start()

    def set(self, after_s: float) -> None:
        """Rings after so many seconds."""
        with self._changed:
            self._due_s = time.monotonic() + after_s
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while self._due_s is None:
                    self._changed.wait()
                left_s = self._due_s - time.monotonic()
                if left_s > 0:
                    self._changed.wait(left_s)
                    continue
                self._due_s = None
            self._ring()
