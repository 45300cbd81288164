"""A gateway's eye on how its Redis is set: a failover or an operator may change that at any time."""

import asyncio
import contextlib
import logging

from api.redis.link import RedisLink
from athena.errors import StoreError
from athena.store.checks import read_info, settings_fault

logger = logging.getLogger(__name__)

WATCH_S = 10.0

#: Until the first answer, and while something is wrong.
IMPATIENT_S = 0.5


class RedisWatch:
    """Asks now and then, and tells the log when the answer changes."""

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._fault: str | None = None
        self._runner: asyncio.Task[None] | None = None

    @property
    def is_sound(self) -> bool:
        """Whether Redis is known to be set as it must be."""
        return self._fault == ""

    async def start(self) -> None:
        """Begins to ask, and keeps asking until `close`."""
        self._runner = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stops asking."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(StoreError):
                self._note(settings_fault(read_info(await self._link.execute(("INFO",)))))
            await asyncio.sleep(WATCH_S if self.is_sound else IMPATIENT_S)

    def _note(self, fault: str) -> None:
        if fault and fault != self._fault:
            logger.error("not ready: %s", fault)
        elif self._fault and not fault:
            logger.warning("Redis is set as it must be again")
        self._fault = fault
