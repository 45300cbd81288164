"""Keeps a wrapper from disturbing the process that hosts it."""

import faulthandler
import functools
import logging
import signal
import threading
from typing import Any

logger = logging.getLogger(__name__)


def install_guards() -> None:
    """Makes what a wrapper may do to a process of its own harmless here; called once, before it is imported.

    - Signals belong to the worker. Wrappers are loaded and run outside the main thread, where
      `signal.signal` would raise; it does nothing there instead.
    - A crash inside a native library leaves the Python stack in the log.
    """
    faulthandler.enable()
    signal.signal = _guarded(signal.signal)


def _guarded(set_handler: Any) -> Any:
    @functools.wraps(set_handler)
    def guarded(number: int, handler: Any) -> Any:
        if threading.current_thread() is threading.main_thread():
            return set_handler(number, handler)
        name = signal.Signals(number).name
        logger.warning("the wrapper's handler for %s is ignored: signals belong to the worker", name)
        return signal.getsignal(number)

    return guarded
