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


def spare_memory_bytes(root: Path = _ROOT) -> int | None:
    """Returns how much more processes here may take: of the machine, and of our groups; None if unknown."""
    free = free_memory_bytes(root)
    left = [] if free is None else [free]
    for limit, folder in _limited_folders(root):
        used = _text(folder / "memory.current") or _text(folder / "memory.usage_in_bytes")
        if used.strip().isdecimal():
            # Pages of files that nobody has looked at lately go when others need the memory.
            cached = re.search(
                r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE
            )
            left.append(max(0, limit - int(used) + (int(cached[1]) if cached else 0)))
    return min(left, default=None)


def own_memory_bytes(pid: int, root: Path = _ROOT) -> int:
    """Returns what a process holds that is no page of a file; 0 if it is gone."""
    text = _text(root / f"proc/{pid}/status")
    return sum(int(kib) * 1024 for kib in re.findall(r"^Rss(?:Anon|Shmem):\s+(\d+) kB$", text, re.MULTILINE))


def _machine(root: Path) -> Iterator[int]:
    found = re.search(r"^MemTotal:\s+(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE)
    if found:
        yield int(found[1]) * 1024


def _control_groups(root: Path) -> Iterator[int]:
    for limit, _ in _limited_folders(root):
        yield limit


def _limited_folders(root: Path) -> Iterator[tuple[int, Path]]:
    """Yields the limits of our groups and of those that they are in (cgroups(7), versions 2 and 1)."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _limits(root / "sys/fs/cgroup", path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes")


def _limits(mount: Path, path: str, name: str) -> Iterator[tuple[int, Path]]:
    group = mount / path.strip("/")
    for folder in (group, *group.parents):
        if folder == mount.parent:
            return
        text = _text(folder / name).strip()
        # No limit is the word "max" in version 2, and nearly 2^63 in version 1.
        if text.isdecimal() and int(text) > 0:
            yield int(text), folder


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
