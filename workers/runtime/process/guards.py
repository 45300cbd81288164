"""Keeps a wrapper from disturbing the process that hosts it."""

import _thread
import faulthandler
import functools
import logging
import signal
import sys
import threading
from collections.abc import Mapping
from types import FrameType
from typing import Any

from workers.runtime.process.surroundings import touched

logger = logging.getLogger(__name__)

#: Signals that end a process which has no handler for them, and that programs use for purposes of their own:
#: time limits, profilers, and words to themselves. Celery gives SIGUSR1 a meaning later: it shows all stacks.
UNHEARD = (
    signal.SIGALRM,
    signal.SIGVTALRM,
    signal.SIGPROF,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGIO,
    signal.SIGPWR,
    signal.SIGSTKFLT,
    signal.SIGXCPU,
    *range(signal.SIGRTMIN, signal.SIGRTMAX + 1),
)


NO_BREAKPOINT = (
    "breakpoint() finds no terminal in a worker; call the ability with `athena run DIR`, or let a debugger "
    "attach itself with `import debugpy; debugpy.listen(5678)` in wrapperInit"
)


def install_guards() -> None:
    """Makes what a wrapper may do to a process of its own harmless here; called once, before it is imported.

    - Signals belong to the worker. Wrappers are loaded and run outside the main thread, where
      `signal.signal` would raise; it does nothing there instead, and the signal itself does nothing either.
    - A crash inside a native library leaves the Python stack in the log.
    - What a call changes of what all calls share is noted (see `workers.runtime.process.surroundings`).
    """
    faulthandler.enable()
    touched.watch()
    for number in UNHEARD:
        # Not SIG_IGN, which programs that a wrapper starts would inherit.
        signal.signal(number, ignore_signal)
    signal.signal = _elsewhere(signal.signal, _refuse_handler)
    # asyncio's add_signal_handler insists on this one.
    signal.set_wakeup_fd = _elsewhere(signal.set_wakeup_fd, lambda *_, **__: -1)
    _thread.interrupt_main = _elsewhere(_thread.interrupt_main, lambda *_: None)


def explain_breakpoints(environ: Mapping[str, str]) -> None:
    """Makes `breakpoint()` say what helps where nobody sits at a terminal; what somebody has chosen stays.

    Python's own would read from standard input, which is empty, and raise `BdbQuit`.
    """
    if "PYTHONBREAKPOINT" not in environ:
        sys.breakpointhook = _no_breakpoint


def _no_breakpoint(*_: Any, **__: Any) -> None:
    raise RuntimeError(NO_BREAKPOINT)


def ignore_signal(number: int, frame: FrameType | None) -> None:
    """A handler that does nothing."""


def _elsewhere(function: Any, otherwise: Any) -> Any:
    """Returns a function that does something else outside the main thread."""

    @functools.wraps(function)
    def guarded(*args: Any, **named: Any) -> Any:
        is_main = threading.current_thread() is threading.main_thread()
        return (function if is_main else otherwise)(*args, **named)

    return guarded


def _refuse_handler(signalnum: int, handler: Any) -> Any:
    present = signal.getsignal(signalnum)
    # `pdb` sets one for Ctrl-C each time that it goes on, and does well without; nobody wrote that.
    if sys._getframe(2).f_globals.get("__name__") != "pdb":
        _tell_refusal(signalnum)
    return present


@functools.cache
def _tell_refusal(number: int) -> None:
    name = signal.strsignal(number) or number
    logger.warning("the wrapper's handler for a signal (%s) is ignored: signals belong to the worker", name)
