"""The disk of a machine whose power can be cut: what was not flushed is gone."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos.disk import DELAY_SUFFIX, flushes

#: The kernel notes when a file was written to by a clock that ticks 100 times a second or more.
TICK_S = 0.02

#: How many bytes of those that were not flushed are there all the same.
Keep = Callable[[int], int]


def nothing(_: int) -> int:
    """The worst that may happen: none of them."""
    return 0


class Disk:
    """What a server flushes is watched (`tests.chaos.disk`), and all else can be taken away.

    Names are left as they are (`rename`, `unlink`): the server flushes their folder where it depends on them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._record = folder / "flushes"
        self._record.touch()
        self._delay = self._record.with_name(self._record.name + DELAY_SUFFIX)

    def command(self, command: list[str]) -> list[str]:
        """Returns the command with a watcher beside it."""
        return [sys.executable, "-P", "-m", "tests.chaos.disk", str(self._record), "--", *command]

    @contextlib.contextmanager
    def slow(self, seconds: float) -> Iterator[None]:
        """Lets each flush take so much longer, for the time of a block."""
        self._delay.write_text(str(seconds))
        try:
            yield
        finally:
            self._delay.unlink()

    def lose_unflushed(self, server_file: Path, keep: Keep = nothing) -> float:
        """Cuts each file of a server that has ended to what was flushed; returns since when writes are gone.

        Args:
            server_file: the one it appended to.
            keep: how many of the other bytes stay.
        """
        known = flushes(self._record)
        last = known.get(server_file.stat().st_ino)
        for path in (*self._folder.glob("appendonlydir/*"), *self._folder.glob("*.aof")):
            found = path.stat()
            flushed = min(known[found.st_ino].size, found.st_size) if found.st_ino in known else 0
            with path.open("rb+") as file:
                file.truncate(flushed + keep(found.st_size - flushed))
        return last.at_s - TICK_S if last else 0.0
