"""What this host has: its name, the cores that we may use, and its GPUs."""

import math
import os
import socket
from pathlib import Path

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def host_name() -> str:
    """Returns the host's name, as workers' names end with it."""
    return socket.gethostname()


def core_count(cpu_max: Path = _CPU_MAX) -> int:
    """Returns how many cores this process may use; a container's limit counts."""
    # Not `os.cpu_count`, which also counts the cores that a container or `taskset` withholds from us.
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    # No limit is the word "max"; control groups of version 1 have no such file.
    except (OSError, ValueError):
        return cores
