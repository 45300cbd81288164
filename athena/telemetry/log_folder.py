"""A folder of log files: what processes have left there that are gone is bounded."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: So many processes that are gone keep their files, those that have written last; 32 MB each at most.
MAX_LEFT = 64

ENDINGS = (".jsonl", ".jsonl.1")


def claim(descriptor: int) -> None:
    """Tells others that a file is in use, for as long as it is open."""
    # A file system without locks counts all files as in use.
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)


def drop_left(folder: Path, most: int = MAX_LEFT) -> None:
    """Removes the files of processes that are gone, but for those that have written last."""
    first, second = ENDINGS
    names = {path.name.removesuffix(second).removesuffix(first) for path in folder.glob(f"*{first}*")}
    processes = sorted(names, key=lambda name: _written_s(folder / f"{name}{first}"), reverse=True)
    left = 0
    for name in processes:
        with _unused(folder / f"{name}{first}") as is_unused:
            left += is_unused
            if is_unused and left > most:
                for ending in ENDINGS:
                    (folder / f"{name}{ending}").unlink(missing_ok=True)


def _written_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


@contextmanager
def _unused(path: Path) -> Iterator[bool]:
    """Whether no process has the file open; none gets it as its own meanwhile."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        # The file before it may be all that is left.
        yield True
        return
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        yield False
    else:
        yield True
    finally:
        os.close(descriptor)
