"""The processes of this host, as the kernel tells of them."""

from pathlib import Path


def own_children() -> list[int]:
    """Returns the children of all threads of this process, ended ones included (proc_pid_children(5)).

    There are none where the kernel does not tell.
    """
    listings = map(read_bytes, Path("/proc/self/task").glob("*/children"))
    return [int(pid) for listing in listings for pid in listing.split()]


def read_bytes(path: Path) -> bytes:
    """Returns a file of `/proc`; nothing where it is gone, or is not for us."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
