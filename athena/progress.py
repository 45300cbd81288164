"""What a worker is doing right now, told to its supervisor through a few bytes of shared memory.

Memory, not messages: it costs next to nothing per job, and the supervisor can read it while the worker's
interpreter is held by a wrapper, or after the worker was killed.
"""

import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

#: When the worker's loop turned last, and when it was in contact with its queues last.
_PULSE = struct.Struct("<dd")

#: Per inference thread: since when a call goes on (0: none), how long it may, how many jobs are in it.
_CALL = struct.Struct("<ddi")

#: Ours have 32 bytes; workers refuse longer ones than this.
_ID_BYTES = 64


@dataclass(frozen=True)
class Call:
    """An inference call that is going on.

    Attributes:
        since_s: when it began, on the monotonic clock.
        limit_s: how long it may take.
        job_ids: the jobs in it.
    """

    since_s: float
    limit_s: float
    job_ids: tuple[str, ...]

    def is_overdue(self, now_s: float, grace_s: float) -> bool:
        """Whether the call has run past its limit and the grace."""
        return now_s - self.since_s > self.limit_s + grace_s


@dataclass(frozen=True)
class Pulse:
    """Signs of life of a worker's loop, on the monotonic clock; 0 before the first."""

    turned_s: float
    contact_s: float


class ProgressBoard:
    """The shared bytes; the supervisor creates them, the worker writes, the supervisor reads."""

    def __init__(self, fd: int, threads: int, max_batch: int) -> None:
        self.fd = fd
        self._threads = threads
        self._max_batch = max_batch
        self._memory = mmap.mmap(fd, _size(threads, max_batch))

    @classmethod
    def create(cls, threads: int, max_batch: int) -> "ProgressBoard":
        """Makes a board that a child process can inherit by its file descriptor."""
        fd = os.memfd_create("athena-progress", 0)
        os.ftruncate(fd, _size(threads, max_batch))
        return cls(fd, threads, max_batch)

    def clear(self) -> None:
        """Forgets the process that wrote before."""
        self._memory[:] = bytes(len(self._memory))

    def pulse(self, turned_s: float, contact_s: float) -> None:
        """Notes signs of life."""
        _PULSE.pack_into(self._memory, 0, turned_s, contact_s)

    def read_pulse(self) -> Pulse:
        """Returns the last signs of life."""
        return Pulse(*_PULSE.unpack_from(self._memory, 0))

    def begin(self, thread: int, now_s: float, limit_s: float, job_ids: Sequence[str]) -> None:
        """Notes that an inference call begins."""
        start = self._start(thread)
        ids = b"".join(job_id.encode().ljust(_ID_BYTES)[:_ID_BYTES] for job_id in job_ids)
        self._memory[start + _CALL.size : start + _CALL.size + len(ids)] = ids
        _CALL.pack_into(self._memory, start, now_s, limit_s, len(job_ids))

    def end(self, thread: int) -> None:
        """Notes that it has ended."""
        _CALL.pack_into(self._memory, self._start(thread), 0.0, 0.0, 0)

    def calls(self) -> list[Call]:
        """Returns the calls that are going on."""
        calls = (self._call(thread) for thread in range(self._threads))
        return [call for call in calls if call is not None]

    def close(self) -> None:
        """Frees the bytes on this side."""
        self._memory.close()
        os.close(self.fd)

    def _call(self, thread: int) -> Call | None:
        start = self._start(thread)
        since_s, limit_s, count = _CALL.unpack_from(self._memory, start)
        if not since_s:
            return None
        first = start + _CALL.size
        places = range(first, first + count * _ID_BYTES, _ID_BYTES)
        ids = tuple(self._memory[place : place + _ID_BYTES].decode().strip() for place in places)
        return Call(since_s, limit_s, ids)

    def _start(self, thread: int) -> int:
        return _PULSE.size + thread * _call_size(self._max_batch)


def _call_size(max_batch: int) -> int:
    return _CALL.size + max_batch * _ID_BYTES


def _size(threads: int, max_batch: int) -> int:
    return _PULSE.size + threads * _call_size(max_batch)
