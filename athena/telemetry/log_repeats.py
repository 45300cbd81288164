"""Log records that a library repeats for as long as something is wrong."""

import logging
import time
from collections.abc import Callable

#: Its exporter says each second or so that a collector is away, in each process of a host.
REPEATING = "opentelemetry"

#: So often it is told that something is still wrong.
EVERY_S = 60.0


class RepeatFilter(logging.Filter):
    """Passes a record of `REPEATING` unless one like it, but for its arguments, was passed just now.

    Args:
        clock: returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._passed_s: dict[tuple[str, int, object], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is to be written."""
        if record.name.partition(".")[0] != REPEATING:
            return True
        now_s = self._clock()
        # What was passed longer ago is forgotten, so that texts without arguments do not heap up.
        self._passed_s = {kind: at_s for kind, at_s in self._passed_s.items() if now_s - at_s < EVERY_S}
        kind = (record.name, record.levelno, record.msg)
        if kind in self._passed_s:
            return False
        self._passed_s[kind] = now_s
        return True
