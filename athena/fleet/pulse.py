"""How the processes of one container are, for probes that ask nobody else: a file that the supervisor renews.

Times are those of the machine's monotonic clock, which is the same for all its processes.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from athena.errors import ConfigError

#: How often it is written.
EVERY_S = 1.0

#: A supervisor that wrote nothing for so long does not turn any more. It may be busy: planning, or reaping.
STALE_AFTER_S = 30.0


@dataclass(frozen=True)
class Pulse:
    """What a supervisor tells of itself.

    Attributes:
        at_s: when, on the monotonic clock.
        waiting: names of the processes that are to serve and do not.
    """

    at_s: float
    waiting: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Writes it so that nobody reads half of it."""
        new = path.with_name(f"{path.name}.{os.getpid()}")
        new.write_text(json.dumps(asdict(self)))
        new.replace(path)

    def is_fresh(self, now_s: float) -> bool:
        """Whether the supervisor still turns."""
        return 0 <= now_s - self.at_s <= STALE_AFTER_S


def read_pulse(path: Path) -> Pulse:
    """Reads what `Pulse.write` wrote.

    Raises:
        ConfigError: there is none.
    """
    try:
        document = json.loads(path.read_text())
        return Pulse(float(document["at_s"]), tuple(document["waiting"]))
    except OSError as error:
        raise ConfigError(
            f"cannot read {path} (ATHENA_PULSE_FILE): {error.strerror}; nothing runs here, or without it"
        ) from None
    except (ValueError, LookupError, TypeError):
        raise ConfigError(f"{path} (ATHENA_PULSE_FILE) is not what a supervisor writes") from None
