"""What this gateway tells of itself, and what it has counted, once a second."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from api.background import BackgroundLoop
from api.gateway.http_tally import HttpTally
from athena.errors import StoreError
from athena.fleet.gateway_report import GatewayReport, tell_command
from athena.store.keys import GATEWAYS
from athena.store.scripts import Command

logger = logging.getLogger(__name__)

TELL_S = 1.0

#: How often it is looked whether the loop is late, and how often while nobody is served whom that hurts.
PROBE_S = 0.1
IDLE_PROBE_S = 1.0


class LoopLag:
    """By how much the event loop is late.

    Args:
        is_busy: tells whether requests come.
    """

    def __init__(self, is_busy: Callable[[], bool]) -> None:
        self._is_busy = is_busy
        self._worst_s = 0.0
        self._loop = BackgroundLoop("the look at the event loop", self._probe, lambda: 0)

    def start(self) -> None:
        """Begins to look."""
        self._loop.start()

    async def close(self) -> None:
        """Stops."""
        await self._loop.close()

    def take(self) -> float:
        """Returns the worst since this was called last, in seconds."""
        # The worst and not the mean: one block of a second is what callers feel, and a mean over ten looks
        # would hide it.
        worst_s, self._worst_s = self._worst_s, 0.0
        return worst_s

    async def _probe(self) -> None:
        loop = asyncio.get_running_loop()
        pause_s = PROBE_S if self._is_busy() else IDLE_PROBE_S
        began_s = loop.time()
        await asyncio.sleep(pause_s)
        self._worst_s = max(self._worst_s, loop.time() - began_s - pause_s)


class SelfReport:
    """Tells Redis of this process; what could not be told is told again, and counts once.

    Args:
        gateway: the id of this process.
        tally: the requests that it has answered.
        describe: returns how it is.
        execute: sends a command to Redis.
    """

    def __init__(
        self,
        gateway: str,
        tally: HttpTally,
        describe: Callable[[], GatewayReport],
        execute: Callable[[Command], Awaitable[object]],
    ) -> None:
        self._gateway = gateway
        self._tally = tally
        self._describe = describe
        self._execute = execute
        self._number = 0
        self._untold: Command | None = None
        self._loop = BackgroundLoop("what this gateway tells of itself", self._try_to_tell, lambda: TELL_S)

    def start(self) -> None:
        """Begins to tell."""
        self._loop.start()

    async def close(self) -> None:
        """Tells what is left, and that this gateway goes; not where Redis is away."""
        await self._loop.close()
        with contextlib.suppress(StoreError):
            # First what may be in Redis already, under the number that it has; then what came since.
            if self._untold is not None:
                await self.tell()
            await self.tell()
            await self._execute(("HDEL", GATEWAYS, self._gateway))

    async def tell(self) -> None:
        """Tells what has come together.

        Raises:
            StoreError: Redis cannot be reached, or takes no writes; the same is told the next time.
        """
        if self._untold is None:
            self._number += 1
            self._untold = tell_command(self._gateway, self._number, self._describe(), self._tally.take())
        # Kept until Redis is known to have it: after a lost reply the same number counts once, a new one
        # would count the same requests twice.
        await self._execute(self._untold)
        self._untold = None

    async def _try_to_tell(self) -> None:
        try:
            await self.tell()
        except StoreError as error:
            # The link tells of a lost Redis.
            logger.debug("cannot tell how this gateway is: %s", error)
