"""Standard output and error of our processes, as a log: what is written is there at once, and never fails.

Python buffers what goes into a file or a pipe; a process that dies takes that along. And it makes a reader
that has gone, such as `| head` or a log shipper that died, everybody's error.
"""

import contextlib
import ctypes
import errno
import io
import os
import select
import sys
import threading
from collections.abc import Sequence
from typing import Any

#: A write that fails so finds nobody any more who reads: pipe or socket, terminal.
GONE = frozenset((errno.EPIPE, errno.ECONNRESET, errno.EIO))

STDOUT, STDERR = 1, 2

#: `setvbuf`'s mode for whole lines (stdio.h).
_IOLBF = 1


class LogStream(io.FileIO):
    """A descriptor of others that takes all that is written, whatever becomes of its reader."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self.place = descriptor

    def renewed(self) -> "LogStream":
        """Returns a new one in the place of this one, which was closed."""
        return LogStream(self.place)

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        """Writes all of it, unless that cannot be done: nobody is there, or the disk is full."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = super().write(left)
                if written is None:
                    # The pipe is full and does not block: whoever shares it with us has set it so.
                    select.select((), (self,), ())
                else:
                    left = left[written:]
        except OSError as error:
            # Other errors may pass: a full disk has room again later.
            if error.errno in GONE:
                write_nowhere(self.fileno())
        return size


class LogReaders:
    """Who reads our output: once nobody does, it goes nowhere, also that of processes that are started later.

    These would be ended by SIGPIPE.
    """

    def __init__(self, descriptors: Sequence[int] = (STDOUT, STDERR)) -> None:
        self._poll = select.poll()
        self._left = set(descriptors)
        for descriptor in descriptors:
            # No event needs to be asked for: that the reader is gone is always told (poll(2)).
            self._poll.register(descriptor, 0)

    def look(self, timeout_s: float | None = 0) -> None:
        """Looks whether readers are gone.

        Args:
            timeout_s: how long to wait for that; None for ever.
        """
        for descriptor, event in self._poll.poll(None if timeout_s is None else timeout_s * 1000):
            self._poll.unregister(descriptor)
            self._left.discard(descriptor)
            # One that was closed may be another file's by now.
            if not event & select.POLLNVAL:
                write_nowhere(descriptor)

    def watch(self) -> None:
        """Looks for ever, from a thread of its own."""
        threading.Thread(target=self._watch, name="log readers", daemon=True).start()

    def _watch(self) -> None:
        while self._left:
            self.look(None)


def write_nowhere(descriptor: int) -> None:
    """Lets a file descriptor lead to where everything is taken and nothing kept."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def open_log_streams() -> None:
    """Makes this process' output a log; output that somebody else has put in place, such as a test, stays."""
    open_closed()
    for name, descriptor in (("stdout", STDOUT), ("stderr", STDERR)):
        stream = getattr(sys, name)
        if _is_at(stream, descriptor):
            # What others keep of the stream, Celery for one, is the original.
            for place in (name, f"__{name}__"):
                setattr(sys, place, _as_log(stream, descriptor))
    # What native libraries print.
    libc = ctypes.CDLL(None)
    with contextlib.suppress(ValueError):
        libc.setvbuf(ctypes.c_void_p.in_dll(libc, "stdout"), None, _IOLBF, 0)


def open_closed() -> None:
    """Opens the standard descriptors that are closed: a connection would get their numbers else."""
    for descriptor in (0, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            # A new one gets the lowest free number, which is the one that was closed.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _is_at(stream: io.TextIOWrapper | None, descriptor: int) -> bool:
    if stream is None:
        return True
    try:
        return stream.fileno() == descriptor
    except (OSError, ValueError):
        return False


def log_stream(descriptor: int, encoding: str = "utf-8") -> io.TextIOWrapper:
    """Returns a descriptor as a text stream that takes all that is written; it does not own it."""
    return text_stream(LogStream(descriptor), encoding)


def text_stream(raw: LogStream, encoding: str = "utf-8") -> io.TextIOWrapper:
    """Returns a text stream above one of bytes."""
    # Not by lines: one without an end, and the last before SIGKILL, would be lost.
    return io.TextIOWrapper(raw, encoding, errors="backslashreplace", newline="\n", write_through=True)


def renewed(stream: Any, descriptor: int) -> io.TextIOWrapper:
    """Returns a stream like one that was closed; the plain one where it was none of ours."""
    raw = getattr(stream, "buffer", None)
    return text_stream(raw.renewed()) if isinstance(raw, LogStream) else log_stream(descriptor)


def _as_log(stream: io.TextIOWrapper | None, descriptor: int) -> io.TextIOWrapper:
    if stream is None:
        return log_stream(descriptor)
    stream.flush()
    return log_stream(descriptor, stream.encoding)
