"""What this host has: its name, the cores that we may use, and its GPUs."""

import math
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from athena.devices.inventory import Inventory
from athena.supervisor.child import describe_exit

#: How long a driver may take for its first answer; loading it takes some seconds on a host with many GPUs.
FIRST_LOOK_TIMEOUT_S = 60.0

#: How long a process that was killed may take to end.
END_TIMEOUT_S = 1.0

_CPU_MAX = Path("/sys/fs/cgroup/cpu.max")


def host_name() -> str:
    """Returns the host's name, as workers' names end with it."""
    return socket.gethostname()


def core_count(cpu_max: Path = _CPU_MAX) -> int:
    """Returns how many cores this process may use; a container's limit counts."""
    cores = len(os.sched_getaffinity(0))
    try:
        quota, period = cpu_max.read_text().split()
        return max(1, min(cores, math.ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return cores


def inventory_command() -> Sequence[str]:
    """Returns the command that describes the host's GPUs: a program of its own, because drivers may hang."""
    return (sys.executable, "-P", "-m", "athena.devices.driver")


def read_inventory(timeout_s: float = FIRST_LOOK_TIMEOUT_S) -> Inventory:
    """Returns the host's GPUs; whatever goes wrong is told in the inventory."""
    process = subprocess.Popen(
        inventory_command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        written, said = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        _abandon(process)
        return Inventory(f"the NVIDIA driver does not answer within {timeout_s:g} s")
    try:
        return Inventory.decode(written)
    except ValueError:
        lines = said.decode(errors="replace").strip().splitlines()
        reason = lines[-1] if lines else describe_exit(process.returncode)
        return Inventory(f"the host's GPUs cannot be read: {reason}")


def _abandon(process: subprocess.Popen[bytes]) -> None:
    """Ends a process; one that a driver holds in the kernel ends when the driver lets it go."""
    process.kill()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_TIMEOUT_S)
