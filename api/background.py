"""Work that goes on beside all requests, as long as a gateway does."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)


class BackgroundLoop:
    """Takes a step again and again, from `start` to `close`.

    Args:
        name: what it does, for the log.
        step: what is done each time. An error that it does not expect is logged, and the next step comes all
            the same: nobody would notice that it has ended.
        pause_s: asked after each step how long to wait for the next one at most.
    """

    def __init__(self, name: str, step: Callable[[], Awaitable[None]], pause_s: Callable[[], float]) -> None:
        self._name = name
        self._step = step
        self._pause_s = pause_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins; the first step is taken at once."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Ends it, within a step where need be, and returns when that has ended."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            try:
                await self._step()
            except Exception:
                logger.exception("%s has failed, and goes on", self._name)
            # Gateways of one host have moments of their own.
            now_s = asyncio.get_running_loop().time() + os.getpid() / 97
            await asyncio.sleep(until_next_s(now_s, self._pause_s()))


def until_next_s(now_s: float, pause_s: float) -> float:
    """Returns how long it is until the next of the moments that come every `pause_s`, and that at most.

    Loops with one pause have the same moments, and those with half of it have these too: so a gateway without
    requests wakes seldom, and what its loops ask Redis travels together.
    """
    return pause_s - now_s % pause_s if pause_s else 0.0
