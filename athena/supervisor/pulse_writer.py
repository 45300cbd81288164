"""Tells probes how the processes of this supervisor are."""

import logging
from collections.abc import Callable
from pathlib import Path

from athena.errors import ConfigError
from athena.fleet.pulse import EVERY_S, Pulse
from athena.supervisor.supervisor import Supervisor

logger = logging.getLogger(__name__)


class PulseWriter:
    """Renews the file of the pulse on each tick that is due.

    Args:
        path: the file.
        waiting: returns the names of the processes that are to serve and do not.
    """

    def __init__(self, path: Path, waiting: Callable[[], tuple[str, ...]]) -> None:
        self._path = path
        self._waiting = waiting
        self._written_s = float("-inf")
        self._fails = False

    def prove(self) -> None:
        """Writes nothing to say yet: refuses a file that cannot be written before anything is started.

        Raises:
            ConfigError: it cannot.
        """
        try:
            Pulse(0.0, ("everything",)).write(self._path)
        except OSError as error:
            raise ConfigError(
                f"cannot write {self._path} (ATHENA_PULSE_FILE): {error.strerror}; name one that can be"
            ) from None

    def on_tick(self, now_s: float) -> None:
        """Writes, if it is time."""
        if now_s - self._written_s < EVERY_S:
            return
        self._written_s = now_s
        try:
            Pulse(now_s, self._waiting()).write(self._path)
        except OSError as error:
            # A full disk must not end what serves; the probe says it when it lasts.
            if not self._fails:
                logger.warning("cannot write %s: %s", self._path, error.strerror)
            self._fails = True
        else:
            self._fails = False


def write_pulse(file: str, supervisor: Supervisor) -> None:
    """Lets a supervisor tell how it is, if a file is named.

    Raises:
        ConfigError: it cannot be written.
    """
    if file:
        writer = PulseWriter(Path(file), supervisor.waiting)
        writer.prove()
        supervisor.add_duty(writer.on_tick)
