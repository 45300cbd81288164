"""The names of a supervisor's workers are its own: a claim in Redis, which it renews."""

import logging
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from athena.store.keys import supervisor_key
from athena.store.scripts import Command

logger = logging.getLogger(__name__)

#: How long a claim outlives its holder. It is renewed each second.
TTL_S = 10.0

#: How often one who waits for a claim looks.
LOOK_S = 0.2

Execute = Callable[[Command], Any]


@dataclass(frozen=True)
class Holder:
    """A process, told apart from all others.

    Attributes:
        place: the boot of its machine and its PID namespace; numbers of processes count only there.
        started: when it was started, in clock ticks after the boot.
    """

    place: str
    pid: int
    started: str

    def encode(self) -> bytes:
        """Returns the holder as the value of a claim."""
        return f"{self.place} {self.pid} {self.started}".encode()

    @classmethod
    def decode(cls, raw: bytes) -> "Holder":
        """Reads a value; one that nobody of ours wrote is somebody elsewhere."""
        try:
            place, pid, started = raw.decode().split(" ")
            return cls(place, int(pid), started)
        except ValueError:
            return cls("", 0, "")


def this_process() -> Holder:
    """Returns this process."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        place = f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        place = uuid.uuid4().hex
    return Holder(place, os.getpid(), start_time(os.getpid()))


def start_time(pid: int) -> str:
    """Returns when a process was started (proc_pid_stat(5), field 22); "" if there is none."""
    try:
        # Behind the last bracket: the name of a program, field 2, may hold brackets and spaces.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


class NameClaim:
    """One supervisor's claim on a suffix of worker names, among all that call their host the same.

    Args:
        execute: runs a command on Redis.
        host: the host's name.
        holder: this process.
    """

    def __init__(
        self,
        execute: Execute,
        host: str,
        holder: Holder,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._execute = execute
        self._host = host
        self._holder = holder
        self._sleep = sleep
        self._key = ""
        self._is_lost = False

    def take(self, suffix: str, by_force: bool = False) -> str:
        """Claims a suffix, or the first of those behind it (`.2`, `.3` …) that is nobody's; returns it.

        A claim whose holder lives elsewhere is watched for some seconds: it may have died.

        Args:
            suffix: what is wanted; "" for names without one.
            by_force: whether no other supervisor can have been at this Redis before us.

        Raises:
            redis.RedisError: Redis does not do it.
        """
        for number in count(1):
            wanted = suffix if number == 1 else f"{suffix}.{number}"
            self._key = supervisor_key(f"{self._host}{wanted}")
            if by_force:
                self._set()
            if by_force or self._take():
                return wanted
        raise AssertionError("numbers do not end")

    def renew(self) -> None:
        """Keeps the claim; says so if somebody else has it now.

        Raises:
            redis.RedisError: Redis does not do it.
        """
        if not self._key:
            return
        found = self._execute(("GET", self._key))
        if found in (None, self._holder.encode()):
            # Set anew if there is none: Redis was away for longer than it lasts, or came back without it.
            self._set()
            self._is_lost = False
        elif not self._is_lost:
            self._is_lost = True
            logger.error(
                "another supervisor has taken the names of our workers while Redis could not be reached; "
                "start this one again to get names of its own"
            )

    def release(self) -> None:
        """Gives the claim up.

        Raises:
            redis.RedisError: Redis does not do it.
        """
        if self._key and self._execute(("GET", self._key)) == self._holder.encode():
            self._execute(("DEL", self._key))

    def _take(self) -> bool:
        # More than any claim has left, so that it takes two looks to see one renewed.
        left_ms = int(TTL_S * 1000) + 1
        while True:
            if self._set("NX"):
                return True
            found = self._execute(("GET", self._key))
            if found is None:
                continue
            holder = Holder.decode(found)
            if holder.place == self._holder.place:
                if holder != self._holder and start_time(holder.pid) == holder.started:
                    return False
                self._set()
                return True
            before_ms, left_ms = left_ms, self._execute(("PTTL", self._key))
            if left_ms >= before_ms:
                # Renewed meanwhile, so its holder lives.
                return False
            self._sleep(LOOK_S)

    def _set(self, *conditions: str) -> bool:
        command: Command = ("SET", self._key, self._holder.encode(), "PX", int(TTL_S * 1000), *conditions)
        return self._execute(command) is not None
