"""The process that looks after a host's GPUs, as the supervisor sees it: one for all of its workers."""

import logging
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from athena.devices.inventory import Inventory
from athena.supervisor.child import TellingChild, describe_exit
from athena.supervisor.programs import GPU_DRIVER

logger = logging.getLogger(__name__)

#: A driver that does not answer for so long, or for several polls, hangs; who waits for it is ended.
PATIENCE_S = 30.0

#: How long a driver may take for its first answer; loading it takes some seconds on a host with many GPUs.
FIRST_LOOK_TIMEOUT_S = 60.0

#: How long a process that was killed may take to end.
END_TIMEOUT_S = 1.0


class GpuWatch(TellingChild):
    """Reads what the driver says of the GPUs, again and again.

    Args:
        every_s: how often; critical errors are told at once.
        on_inventory: called with each reading.
    """

    is_restartable = False
    # Workers go on without it.
    is_needed = False

    def __init__(self, every_s: float, on_inventory: Callable[[Inventory], None]) -> None:
        super().__init__("gpu watch", grace_s=2)
        self._every_s = every_s
        self._on_inventory = on_inventory
        self._heard_s = 0.0

    def command(self) -> Sequence[str]:
        """Returns the command line."""
        return (*inventory_command(), "--every", str(self._every_s))

    def spawn(self) -> None:
        """Starts the process; its silence counts from now on."""
        self._heard_s = time.monotonic()
        super().spawn()

    def check_ready(self) -> bool:
        """Whether it has reported."""
        return self._hear()

    def on_tick(self, now_s: float) -> None:
        """Takes in what it reports; ends it when it hangs."""
        self._hear()
        if now_s - self._heard_s > max(PATIENCE_S, 5 * self._every_s) and not self.is_leaving:
            logger.error("the NVIDIA driver has not answered for %.0f s", now_s - self._heard_s)
            # One that the driver holds in the kernel ends later: it is not told of at each tick until then.
            self._heard_s = now_s
            self.signal(signal.SIGKILL)

    def _hear(self) -> bool:
        """Hands the last whole line on; returns whether there was one."""
        lines = self.read_lines()
        if not lines:
            return False
        self._heard_s = time.monotonic()
        try:
            inventory = Inventory.decode(lines[-1])
        except ValueError:
            logger.error("the GPU watch wrote what is no inventory: %.200r", lines[-1])
            return False
        self._on_inventory(inventory)
        return True


def inventory_command() -> Sequence[str]:
    """Returns the command that describes the host's GPUs: a program of its own, because drivers may hang."""
    return GPU_DRIVER


def read_inventory(timeout_s: float = FIRST_LOOK_TIMEOUT_S) -> Inventory:
    """Returns the host's GPUs; whatever goes wrong is told in the inventory."""
    # Not `subprocess.run`: after the time limit it waits for what it has killed, however long that is held.
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
