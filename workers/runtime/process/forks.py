"""What a process that a wrapper forks keeps of the worker: nothing that acts in the worker's name."""

import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress

# Bound before the guards replace it: a fork has one thread, which is its main thread.
from signal import signal as set_handler
from typing import NoReturn, ParamSpec, TypeVar

from athena.devices.processes import own_children
from workers.runtime.process.guards import UNHEARD

P = ParamSpec("P")
T = TypeVar("T")

#: How long what a fork has started may take to end after SIGTERM, as what a worker leaves behind.
GRACE_S = 1.0

#: The signals that Celery and the worker handle. In a fork their handlers would stop the worker's loop,
#: of which there is only a dead copy: `terminate()` would do nothing.
HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD, *UNHEARD)

_is_fork = False


def make_forks_ordinary() -> None:
    """Lets processes that are forked from now on begin as those of any program do; called once."""
    mask = threading.local()

    # A signal that comes before the fork has handlers of its own waits; Python would drop it.
    def hold() -> None:
        mask.before = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)

    def let_go() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask.before)

    def begin() -> None:
        _begin()
        let_go()

    os.register_at_fork(before=hold, after_in_parent=let_go, after_in_child=begin)


def end_forks(call: Callable[P, T]) -> Callable[P, T]:
    """Returns a function after which a fork ends, where the original returns to the worker's work.

    A wrapper that calls `os.fork` and lets the child return, or end by `sys.exit`, means its end.
    """

    def ending(*args: P.args, **options: P.kwargs) -> T:
        try:
            return call(*args, **options)
        finally:
            if _is_fork:
                _end(0)

    return ending


def end_fork(error: BaseException) -> None:
    """In a fork, ends it as an exception that nobody catches ends a program; elsewhere does nothing."""
    if not _is_fork:
        return
    if not isinstance(error, SystemExit):
        traceback.print_exception(error)
        _end(1)
    code = error.code
    if isinstance(code, str):
        print(code, file=sys.stderr)
    _end(code if isinstance(code, int) else int(code is not None))


def end_what_was_started() -> None:
    """Ends the processes that a wrapper has started and left; called when this one is about to end.

    A supervisor does the same, with more force; it may be gone.
    """
    # The signal to the group comes to this process, too.
    set_handler(signal.SIGTERM, signal.SIG_IGN)
    # A group that it does not lead is that of whoever started it.
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGTERM)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in own_children():
            with suppress(OSError):
                os.kill(pid, number)
        _await_children(time.monotonic() + GRACE_S)


def _await_children(deadline_s: float) -> None:
    with suppress(ChildProcessError):
        while time.monotonic() < deadline_s:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.01)


def _begin() -> None:
    global _is_fork
    _is_fork = True
    signal.set_wakeup_fd(-1)
    for number in HANDLED:
        set_handler(number, signal.SIG_DFL)
    set_handler(signal.SIGINT, signal.default_int_handler)


def _end(status: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    # Not `sys.exit`: handlers of ours would catch it, and what runs at an exit is the worker's.
    os._exit(status & 0xFF)
