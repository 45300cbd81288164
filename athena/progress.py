"""What a worker is doing right now, told to its supervisor through a few bytes of shared memory.

Memory, not messages: it costs nothing per job, and the supervisor can read it while the worker's
interpreter is held by a wrapper, or after the worker was killed. One slot for each inference thread.
"""

import mmap
import os
import struct
from dataclasses import dataclass

_SLOT = struct.Struct("<dd")


@dataclass(frozen=True)
class Busy:
    """An inference call that is going on: since when (on the monotonic clock), and how long it may."""

    since_s: float
    limit_s: float

    def is_overdue(self, now_s: float, grace_s: float) -> bool:
        """Whether the call has run past its limit and the grace."""
        return now_s - self.since_s > self.limit_s + grace_s


class ProgressBoard:
    """The shared bytes; the supervisor creates them, the worker writes, the supervisor reads."""

    def __init__(self, fd: int, threads: int) -> None:
        self.fd = fd
        self._threads = threads
        self._memory = mmap.mmap(fd, threads * _SLOT.size)

    @classmethod
    def create(cls, threads: int) -> "ProgressBoard":
        """Makes a board that a child process can inherit by its file descriptor."""
        fd = os.memfd_create("athena-progress", 0)
        os.ftruncate(fd, threads * _SLOT.size)
        return cls(fd, threads)

    def begin(self, thread: int, now_s: float, limit_s: float) -> None:
        """Notes that an inference call begins."""
        _SLOT.pack_into(self._memory, thread * _SLOT.size, now_s, limit_s)

    def end(self, thread: int) -> None:
        """Notes that it has ended."""
        _SLOT.pack_into(self._memory, thread * _SLOT.size, 0.0, 0.0)

    def busy(self) -> list[Busy]:
        """Returns the calls that are going on."""
        slots = (_SLOT.unpack_from(self._memory, thread * _SLOT.size) for thread in range(self._threads))
        return [Busy(since_s, limit_s) for since_s, limit_s in slots if since_s]

    def close(self) -> None:
        """Frees the bytes on this side."""
        self._memory.close()
        os.close(self.fd)
