"""The processes that wrappers have started: they must not outlive their worker."""

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Offspring:
    """A process that a wrapper has started, as the ability `ledger` has written it down.

    Attributes:
        started: when, in ticks since the machine's start; no two processes of one number share it.
    """

    tag: str
    pid: int
    started: str
    worker_pid: int

    @property
    def lives(self) -> bool:
        """Whether it goes on."""
        try:
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return fields[0] not in "ZX" and fields[19] == self.started

    @property
    def is_orphan(self) -> bool:
        """Whether it goes on though its worker does not."""
        return self.lives and not _is_worker(self.worker_pid)

    def kill(self) -> None:
        """Ends it."""
        with contextlib.suppress(ProcessLookupError):
            if self.lives:
                os.kill(self.pid, signal.SIGKILL)


def offspring(ledger: Path, tag: str = "") -> Iterator[Offspring]:
    """Returns all that wrappers have started, or what they started in one job."""
    for line in ledger.read_text().splitlines():
        word, name, *rest = line.split(" ")
        if word == "child" and tag in ("", name):
            yield Offspring(name, int(rest[0]), rest[1], int(rest[2]))


def _is_worker(pid: int) -> bool:
    try:
        return b"workers" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
