"""The processes of this host, as the kernel tells of them."""

import os
from pathlib import Path

_TASKS = "/proc/self/task"


def own_children() -> list[int]:
    """Returns the children of all threads of this process, ended ones included (proc_pid_children(5)).

    There are none where the kernel does not tell.
    """
    # Read four times a second: no pattern is matched here.
    listings = (_read(f"{_TASKS}/{task}/children") for task in os.listdir(_TASKS))
    return [int(pid) for listing in listings for pid in listing.split()]


def read_bytes(path: Path) -> bytes:
    """Returns a file of `/proc`; nothing where it is gone, or is not for us."""
    return _read(str(path))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""
