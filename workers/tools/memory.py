"""How much memory this process holds, what it held at most, and what of it other workers hold as well."""

import contextlib
import os
from importlib import import_module
from pathlib import Path

from athena.sdk import device

#: Sets the peak to what is held now, if the system lets us.
_FORGET_PEAK = "5"


def resident_bytes() -> int:
    """Returns how much memory this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def forget_peak() -> None:
    """Lets `peak_bytes` count from now on."""
    # A container may keep it from us; then the peak is that of the whole life, which is hardly another.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_FORGET_PEAK)


def peak_bytes() -> int:
    """Returns the most that this process has held since `forget_peak`."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return resident_bytes()


def shared_bytes(folder: str) -> int:
    """Returns how much of what is held are files of a folder, which other processes may hold as well."""
    found, is_theirs = 0, False
    for line in Path("/proc/self/smaps").read_text(errors="replace").splitlines():
        name, _, rest = line.partition(" ")
        if not name.endswith(":"):
            is_theirs = bool(folder) and f" {folder}/" in rest
        elif name == "Rss:" and is_theirs:
            found += int(rest.split()[0]) * 1024
    return found


class MemoryWatch:
    """What an ability holds in this process, from `begin` on."""

    def __init__(self) -> None:
        self._load_peak_bytes = 0

    def begin(self) -> None:
        """Loading begins."""
        forget_peak()

    def note_loaded(self) -> None:
        """Loading is over."""
        self._load_peak_bytes = peak_bytes()

    def told(self, batch: int) -> dict[str, int]:
        """Returns what a worker will hold that has run a batch of that size, in bytes."""
        return {
            "memory": resident_bytes(),
            "shared": shared_bytes(device.current().model_folder),
            "load_peak": self._load_peak_bytes,
            "batch": batch,
        }


def load_as_a_worker() -> None:
    """Imports what a worker has loaded before its wrapper, so that this process holds as much."""
    for name in (
        "workers.process",
        "workers.consumer.consumer",
        "workers.consumer.pool",
        "celery.apps.worker",
    ):
        import_module(name)
