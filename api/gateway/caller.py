"""Waiting for a job on behalf of a caller who may lose patience or go away."""

import asyncio
import contextlib
from typing import Any, Protocol

from api.gateway.job_client import JobClient
from api.gateway.waiters import BRIEF_S
from api.http.request_body import Disconnected
from athena.store.submission import Reply

#: So long a caller is not watched for going away: most jobs have ended by then, and watching costs a task.
UNWATCHED_S = BRIEF_S

#: The longest wait that a caller may name; proxies and clients give up sooner.
MAX_WAIT_S = 300.0


class Watched(Protocol):
    """A caller who may go away."""

    async def until_disconnect(self) -> None:
        """Returns when he does."""


class Caller(Watched, Protocol):
    """Who waits for the end of a job that he has brought in."""

    def release(self) -> None:
        """Forgets what he has sent: it is in Redis, or never will be."""


async def wait_for_end(
    gateway: JobClient, job_id: str, future: asyncio.Future[Reply], caller: Watched, wait_s: float
) -> Reply | None:
    """Waits for the end of a job that is in Redis already.

    Returns:
        The end, or None when `wait_s` passed before, or the gateway's patience.

    Raises:
        Disconnected: the caller went away.
    """
    try:
        if not await ends_within(future, min(UNWATCHED_S, wait_s)) and wait_s > UNWATCHED_S:
            await wait_watched(gateway, future, caller, wait_s - UNWATCHED_S)
        if future.done():
            return await gateway.fetch(future.result())
    finally:
        if not future.done():
            # Shielded: the cancel of this request must not keep the job from being canceled.
            await asyncio.shield(gateway.leave(job_id, future))
    return None


async def ends_within(future: asyncio.Future[Any], seconds: float) -> bool:
    """Waits for a future, but does not end it when time is up: `asyncio.wait` at a tenth of its cost."""
    if future.done():
        return True
    loop = asyncio.get_running_loop()
    either: asyncio.Future[None] = loop.create_future()

    def wake(_: object = None) -> None:
        if not either.done():
            either.set_result(None)

    timer = loop.call_later(seconds, wake)
    future.add_done_callback(wake)
    try:
        await either
    finally:
        timer.cancel()
        future.remove_done_callback(wake)
    return future.done()


async def wait_watched(
    gateway: JobClient, future: asyncio.Future[Any], caller: Watched, wait_s: float
) -> None:
    """Waits until a future is done, time is up, or the gateway's patience is over.

    Raises:
        Disconnected: the caller went away.
    """
    watcher = asyncio.ensure_future(caller.until_disconnect())
    over = gateway.patience.begin()
    try:
        waited = (future, watcher, over)
        await asyncio.wait(waited, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if watcher.done() and not future.done():
            raise Disconnected
    finally:
        gateway.patience.end(over)
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
