"""The quotas that a gateway knows, as they are read."""

import logging
from collections.abc import Mapping

from athena.access.quotas import QuotaBook, decode_quotas

logger = logging.getLogger(__name__)


class QuotaReader:
    """Takes in what Redis holds of quotas.

    Args:
        book: where they are written down.
    """

    def __init__(self, book: QuotaBook) -> None:
        self._book = book
        self._faults: list[str] = []

    def take(self, raw: Mapping[bytes, bytes]) -> None:
        """Knows these from now on; what cannot be read is told once."""
        found, faults = decode_quotas(raw)
        if faults != self._faults:
            for fault in faults:
                logger.error("a quota cannot be read, and does not count: %s", fault)
        self._faults = faults
        self._book.replace(found)
