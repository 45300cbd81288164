"""What a worker is doing right now, told to its supervisor through a few bytes of shared memory.

Memory, not messages: it costs next to nothing per job, and the supervisor can read it while the worker's
interpreter is held by a wrapper, or after the worker was killed.

The other side reads at any moment, also in the middle of a write. So each word is one aligned store of eight
bytes, and what is longer is written beside what was valid before, with a check sum, and then made valid by a
word that counts. `struct.pack_into` is no such store: it fills the bytes with zeros first.
"""

import mmap
import os
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

WORD = 8

#: Words of the loop: when it turned last, when it was in contact with its queues last, whether it has parted.
TURNED, CONTACT, PARTED = range(3)
_LOOP_WORDS = 3

#: Behind the check sum of all that follows: how many jobs are in a call, its count, when it began, its limit.
_SUM = struct.Struct("<I")
_CALL = struct.Struct("<IQdd")
_HEAD = _SUM.size + _CALL.size

#: Ours have 32 bytes; workers refuse longer ones than this.
_ID_BYTES = 64

#: So often a reader begins anew when a worker begins and ends calls while it reads.
_TRIES = 1000


class UnsettledError(Exception):
    """A board was written again and again while it was read; it can be read a moment later."""


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
    """The shared bytes; the supervisor creates them, the worker writes, the supervisor reads.

    Each inference thread has a word that counts beginnings and ends, and two places for calls: while it is
    odd, the call of one of them goes on, and the next one will be written to the other.
    """

    def __init__(self, fd: int, threads: int, max_batch: int) -> None:
        self.fd = fd
        self._threads = threads
        self._place_size = _place_size(max_batch)
        self._memory = mmap.mmap(fd, _size(threads, max_batch))
        whole = memoryview(self._memory)
        self._times = whole[: _LOOP_WORDS * WORD].cast("d")
        self._counts = whole[_LOOP_WORDS * WORD : (_LOOP_WORDS + threads) * WORD].cast("Q")
        whole.release()

    @classmethod
    def create(cls, threads: int, max_batch: int) -> "ProgressBoard":
        """Makes a board that a child process can inherit by its file descriptor."""
        fd = os.memfd_create("athena-progress", 0)
        os.ftruncate(fd, _size(threads, max_batch))
        return cls(fd, threads, max_batch)

    def pulse(self, turned_s: float, contact_s: float) -> None:
        """Notes signs of life."""
        self._times[TURNED] = turned_s
        self._times[CONTACT] = contact_s

    def read_pulse(self) -> Pulse:
        """Returns the last signs of life."""
        return Pulse(self._times[TURNED], self._times[CONTACT])

    def part(self) -> None:
        """Notes that the loop has ended; calls that still go on are left behind by us, and not to blame."""
        self._times[PARTED] = 1.0

    @property
    def has_parted(self) -> bool:
        """Whether the process ends, or has ended, because its loop did."""
        return bool(self._times[PARTED])

    def begin(self, thread: int, now_s: float, limit_s: float, job_ids: Sequence[str]) -> None:
        """Notes that an inference call begins."""
        # One that nobody has ended is over all the same.
        count = (self._counts[thread] + 1) | 1
        ids = b"".join([job_id.encode().ljust(_ID_BYTES)[:_ID_BYTES] for job_id in job_ids])
        call = _CALL.pack(len(job_ids), count, now_s, limit_s) + ids
        start = self._place(thread, count)
        self._memory[start : start + _SUM.size + len(call)] = _SUM.pack(zlib.crc32(call)) + call
        self._counts[thread] = count

    def end(self, thread: int) -> None:
        """Notes that it has ended."""
        # Not 1: an end that is told twice would begin a call.
        self._counts[thread] += self._counts[thread] % 2

    def calls(self) -> list[Call]:
        """Returns the calls that are going on.

        Raises:
            UnsettledError: calls begin and end faster than they can be read.
        """
        calls = (self._read(thread) for thread in range(self._threads))
        return [call for call in calls if call is not None]

    def close(self) -> None:
        """Frees the bytes on this side."""
        # Views first: a map that still has some cannot be closed.
        self._times.release()
        self._counts.release()
        self._memory.close()
        os.close(self.fd)

    def _read(self, thread: int) -> Call | None:
        for _ in range(_TRIES):
            count = self._counts[thread]
            if not count % 2:
                return None
            start = self._place(thread, count)
            place = self._memory[start : start + self._place_size]
            if self._counts[thread] == count and (call := _whole(place, count)) is not None:
                return call
        raise UnsettledError

    def _place(self, thread: int, count: int) -> int:
        first = (_LOOP_WORDS + self._threads) * WORD
        return first + (2 * thread + count // 2 % 2) * self._place_size


def _whole(place: bytes, count: int) -> Call | None:
    """Reads a place; None unless it is whole: stores may become visible in any order."""
    (found_sum,) = _SUM.unpack_from(place)
    jobs, found_count, since_s, limit_s = _CALL.unpack_from(place, _SUM.size)
    end = _HEAD + jobs * _ID_BYTES
    if found_count != count or zlib.crc32(place[_SUM.size : end]) != found_sum:
        return None
    ids = (place[at : at + _ID_BYTES] for at in range(_HEAD, end, _ID_BYTES))
    return Call(since_s, limit_s, tuple(raw.decode().strip() for raw in ids))


def _place_size(max_batch: int) -> int:
    return _HEAD + max_batch * _ID_BYTES


def _size(threads: int, max_batch: int) -> int:
    return (_LOOP_WORDS + threads) * WORD + 2 * threads * _place_size(max_batch)
