"""How much memory this process may use: the machine's, or less where a control group says so."""

import re
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def memory_bytes(root: Path = _ROOT) -> int:
    """Returns the memory of the machine, the container or the service, whichever is least; 0 if unknown.

    Args:
        root: where `/proc` and `/sys` are.
    """
    limits = [*_machine(root), *_control_groups(root)]
    return min(limits, default=0)


def free_memory_bytes(root: Path = _ROOT) -> int | None:
    """Returns how much memory of the machine processes can still have; None if unknown.

    Args:
        root: where `/proc` is.
    """
    found = re.search(r"^MemAvailable:\s+(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE)
    return int(found[1]) * 1024 if found else None


def _machine(root: Path) -> Iterator[int]:
    found = re.search(r"^MemTotal:\s+(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE)
    if found:
        yield int(found[1]) * 1024


def _control_groups(root: Path) -> Iterator[int]:
    """Yields the limits of our groups and of those that they are in (cgroups(7), versions 2 and 1)."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _limits(root / "sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")


def _limits(mount: Path, path: str, name: str) -> Iterator[int]:
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        if folder == mount.parent:
            return
        text = _text(folder / name).strip()
        # No limit is the word "max" in version 2, and nearly 2^63 in version 1.
        if text.isdecimal() and int(text) > 0:
            yield int(text)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
