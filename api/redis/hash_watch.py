"""Reads hashes again and again: what they hold is known within a second, and without Redis as it was last."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

from api.background import BackgroundLoop
from api.redis.link import RedisLink
from athena.errors import StoreError
from athena.store.scripts import pairs

LOOK_S = 0.5


class HashWatch:
    """Hands hashes over each time that they are read.

    Args:
        takers: key -> what gets the fields of the hash.
    """

    def __init__(
        self, link: RedisLink, takers: Mapping[str, Callable[[Mapping[bytes, bytes]], None]]
    ) -> None:
        self._link, self._takers = link, takers
        self._first_look = asyncio.Event()
        self._loop = BackgroundLoop(f"the look at {' and '.join(takers)}", self._try_to_look, lambda: LOOK_S)

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
            # All leave in one write.
            replies = await asyncio.gather(*(self._link.execute(("HGETALL", key)) for key in self._takers))
            for take, reply in zip(self._takers.values(), replies, strict=True):
                take(pairs(reply))
            self._first_look.set()
