"""What all jobs of a process share: whatever one of them does to it, the next finds what wrapperInit left.

The environment's variables are not put back: libraries that are loaded in a call set some for good.
"""

import asyncio
import functools
import locale
import logging
import os
import select
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from athena.telemetry.log_streams import STDERR, STDOUT, open_closed, renewed
from athena.telemetry.logs import own_loggers
from workers.runtime.event_loops import has_closed_loop, renew_loop

logger = logging.getLogger(__name__)

STREAMS = {"stdout": STDOUT, "stderr": STDERR}

#: Functions that change what costs a system call to look at, which is done only after one of them was called.
CHANGING: tuple[tuple[Any, tuple[str, ...]], ...] = (
    (os, ("chdir", "fchdir", "umask", "close", "closerange", "dup2")),
    (locale, ("setlocale",)),
    (asyncio, ("set_event_loop",)),
    (asyncio.events, ("set_event_loop",)),
)


class Touched:
    """Whether a function was called that changes the process."""

    def __init__(self) -> None:
        self.is_set = False

    def watch(self) -> None:
        """Notes calls from now on; for the whole life of the process, and before a wrapper is imported."""
        for owner, names in CHANGING:
            for name in names:
                setattr(owner, name, self._noting(getattr(owner, name)))

    def _noting(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def noting(*args: Any, **named: Any) -> Any:
            self.is_set = True
            return function(*args, **named)

        return noting


#: Of this process.
touched = Touched()


class Surroundings:
    """The present state of this process, to come back to."""

    def __init__(self) -> None:
        open_closed()
        self._folder = present_folder()
        self._streams = {name: _usable(name) for name in STREAMS}
        self._copies = {descriptor: os.dup(descriptor) for descriptor in STREAMS.values()}
        self._places = {descriptor: _place(descriptor) for descriptor in STREAMS.values()}
        self._locale = locale.setlocale(locale.LC_ALL)
        # The umask can only be read by setting another one.
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._root = logging.getLogger()
        self._own = own_loggers()
        self._handlers = list(self._root.handlers)
        self._levels = (self._root.level, self._root.manager.disable)
        self._told: set[str] = set()
        touched.is_set = False

    def restore(self) -> list[str]:
        """Puts back what is not as it was; returns what that was, and tells it in the log once."""
        if not (touched.is_set or self._has_changed):
            return []
        renew_loop()
        changed = [*self._restore_descriptors(), *self._restore_streams(), *self._restore_logging()]
        changed += self._restore_process()
        touched.is_set = False
        for what in changed:
            if what not in self._told:
                self._told.add(what)
                logger.warning("a call has changed %s, which all calls share; it is put back", what)
        return changed

    def close(self) -> None:
        """Lets go of what was kept."""
        for copy in self._copies.values():
            os.close(copy)

    @property
    def _has_changed(self) -> bool:
        """Whether something has that can be seen at no cost."""
        out, err, root = self._streams["stdout"], self._streams["stderr"], self._root
        return (
            sys.stdout is not out
            or sys.stderr is not err
            or out.closed
            or err.closed
            or root.handlers != self._handlers
            or (root.level, root.manager.disable) != self._levels
            or self._own[0].disabled
            or has_closed_loop()
        )

    def _restore_descriptors(self) -> Iterator[str]:
        for descriptor, place in self._places.items():
            # Once nobody reads a log it leads nowhere, which is to stay.
            if _place(descriptor) != place and not _is_left(self._copies[descriptor]):
                yield f"descriptor {descriptor}"
                os.dup2(self._copies[descriptor], descriptor)

    def _restore_streams(self) -> Iterator[str]:
        for name, stream in self._streams.items():
            if getattr(sys, name) is not stream or stream.closed:
                yield f"sys.{name}"
                setattr(sys, name, stream)
                self._streams[name] = _usable(name, stream)

    def _restore_logging(self) -> Iterator[str]:
        root = self._root
        if root.handlers != self._handlers or (root.level, root.manager.disable) != self._levels:
            yield "the root logger"
            root.handlers[:] = self._handlers
            root.setLevel(self._levels[0])
            logging.disable(self._levels[1])
        # As `logging.config` does with loggers that it is not told of.
        if self._own[0].disabled:
            yield "loggers"
            for item in root.manager.loggerDict.values():
                if isinstance(item, logging.Logger):
                    item.disabled = False

    def _restore_process(self) -> Iterator[str]:
        if self._folder and present_folder() != self._folder:
            yield "the working folder"
            # It may be gone, for example when the ability is being replaced.
            with suppress(OSError):
                os.chdir(self._folder)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            yield "the locale"
            locale.setlocale(locale.LC_ALL, self._locale)
        if os.umask(self._umask) != self._umask:
            yield "the umask"


def present_folder() -> str:
    """Returns the working directory; "" if it is gone."""
    try:
        return os.getcwd()
    except OSError:
        return ""


def _usable(name: str, like: Any = None) -> Any:
    """Returns a standard stream; one like it was where it was closed."""
    stream = getattr(sys, name)
    if stream is None or stream.closed:
        stream = renewed(like or stream, STREAMS[name])
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    return stream


def _place(descriptor: int) -> tuple[int, int]:
    """Returns where a descriptor leads to; (0, 0) for one that is closed."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return 0, 0
    return found.st_dev, found.st_ino


def _is_left(descriptor: int) -> bool:
    """Whether nobody is there any more who reads what is written."""
    poll = select.poll()
    poll.register(descriptor, 0)
    return bool(poll.poll(0))
