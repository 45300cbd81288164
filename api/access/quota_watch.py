"""Keeps a gateway's quotas up to date: within a second of a change, and without Redis as they were last."""

import asyncio
import contextlib
import logging

from api.background import BackgroundLoop
from api.redis.link import RedisLink
from athena.access.quotas import QuotaBook, decode_quotas
from athena.errors import StoreError
from athena.store.keys import QUOTAS
from athena.store.scripts import pairs

logger = logging.getLogger(__name__)

LOOK_S = 0.5


class QuotaWatch:
    """Reads the quotas of all applications again and again.

    Args:
        book: where they are written down.
    """

    def __init__(self, link: RedisLink, book: QuotaBook) -> None:
        self._link = link
        self._book = book
        self._faults: list[str] = []
        self._first_look = asyncio.Event()
        self._loop = BackgroundLoop("the look at quotas", self._try_to_look, lambda: LOOK_S)

    async def start(self, timeout_s: float) -> None:
        """Begins, and waits for the first look; without Redis, not longer than the time given."""
        self._loop.start()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._first_look.wait(), timeout_s)

    async def close(self) -> None:
        """Stops."""
        await self._loop.close()

    async def _try_to_look(self) -> None:
        with contextlib.suppress(StoreError):
            await self._look()

    async def _look(self) -> None:
        found, faults = decode_quotas(pairs(await self._link.execute(("HGETALL", QUOTAS))))
        if faults != self._faults:
            for fault in faults:
                logger.error("a quota cannot be read, and does not count: %s", fault)
        self._faults = faults
        self._book.replace(found)
        self._first_look.set()
