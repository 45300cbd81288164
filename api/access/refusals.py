"""Log lines about callers who were refused: some, however many there are."""

import logging
from collections.abc import Callable

from athena.plain_text import plain_line

logger = logging.getLogger(__name__)

#: A flood of wrong keys must not fill a disk.
PAUSE_S = 1.0


class RefusalLog:
    """Tells of refused callers, once a second at most, and how many there were between.

    Args:
        now: tells the time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._next_s = float("-inf")
        self._untold = 0

    def note(self, client: str, what: str, why: str) -> None:
        """Notes that a caller was refused.

        Args:
            client: the address.
            what: was asked for.
            why: it was refused.
        """
        now_s = self._now()
        if now_s < self._next_s:
            self._untold += 1
            return
        more = f" ({self._untold} others were not told of)" if self._untold else ""
        self._next_s, self._untold = now_s + PAUSE_S, 0
        logger.warning(
            "refused %s from %s: %s%s", plain_line(what, 200), client or "-", plain_line(why), more
        )
