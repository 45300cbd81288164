"""What ends the wait of Celery's loop when a signal comes.

Celery's handlers only note that the worker is to end, and the loop looks at its next turn. Until then, for
up to a second, jobs would be taken that somebody else could run.
"""

import os
import signal
from contextlib import suppress
from typing import Any


class SignalBell:
    """A pipe into which the interpreter writes when a signal comes; made in the main thread, once."""

    def __init__(self) -> None:
        self._read, write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        # One byte is enough, so a pipe that is full tells it as well.
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def watch(self, hub: Any) -> None:
        """Gives a loop a turn after each signal."""
        hub.add_reader(self._read, self._empty)

    def _empty(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass
