"""Waiting for a job on behalf of a caller who may lose patience or go away."""

import asyncio
import contextlib
from typing import Any, Protocol

from api.gateway.gateway import Gateway
from api.gateway.submitter import Prepared
from api.gateway.waiters import BRIEF_S, BriefFuture
from api.http.request_body import Disconnected, RequestBody
from athena.errors import AthenaError, GatewayError, WaitTimeoutError
from athena.protocol.enums import JobState
from athena.store.submission import Reply

#: So long a caller is not watched for going away: most jobs have ended by then, and watching costs a task.
UNWATCHED_S = BRIEF_S

#: The longest wait that a caller may name; proxies and clients give up sooner.
MAX_WAIT_S = 300.0


class Watched(Protocol):
    """A caller who may go away."""

    async def until_disconnect(self) -> None:
        """Returns when he does."""


class Call:
    """One caller's job, from its submission to its end.

    A caller may wait for minutes, and what he sent may be large: once the job is in Redis, it is held nowhere
    else. So nobody who awaits `run` should hold what was prepared.
    """

    def __init__(self, gateway: Gateway, prepared: Prepared, body: RequestBody) -> None:
        self._gateway = gateway
        self._prepared: Prepared | None = prepared
        self._body = body
        self.is_private = prepared[0].abandonable
        #: Another job's once it turns out that the request_id is known.
        self.job_id = prepared[0].job_id

    async def run(self, wait_s: float) -> Reply | None:
        """Submits the job and waits for its end.

        Returns:
            The end, or None when `wait_s` passed before, or the gateway's patience.

        Raises:
            AthenaError: the job cannot be submitted (see `Gateway.submit`).
            Disconnected: the caller went away.
        """
        assert self._prepared is not None
        if self.is_private and wait_s > UNWATCHED_S:
            return await self._run_private(wait_s)
        future = await self._submit_and_attach()
        self._body.release()
        return await wait_for_end(self._gateway, self.job_id, future, self._body, wait_s)

    async def _run_private(self, wait_s: float) -> Reply | None:
        """Runs a job that only this caller knows of: there is nothing to do between submission and end."""
        submission, payload = self._take()
        await self._gateway.store_payload(self.job_id, payload)
        brief = self._gateway.submit_private(submission, self._body.release)
        del submission, payload
        return await wait_for_private_end(self._gateway, self.job_id, brief, self._body, wait_s)

    async def _submit_and_attach(self) -> asyncio.Future[Reply]:
        """Submits the job; returns a future of its end, also when another request has brought it in."""
        gateway, own_id = self._gateway, self.job_id
        future = gateway.wait_for(own_id)
        try:
            self.job_id, _ = await gateway.submit(*self._take())
        except BaseException:
            await asyncio.shield(gateway.leave(own_id, future))
            raise
        if self.job_id == own_id:
            return future
        gateway.forget(own_id, future)
        future = gateway.wait_for(self.job_id)
        await gateway.recheck(self.job_id)
        return future

    def _take(self) -> Prepared:
        assert self._prepared is not None
        prepared, self._prepared = self._prepared, None
        return prepared


async def wait_for_private_end(
    gateway: Gateway, job_id: str, brief: BriefFuture, caller: Watched, wait_s: float
) -> Reply | None:
    """Waits for the end of a job that only this caller knows of; longer than `UNWATCHED_S`.

    Returns:
        The end, or None when `wait_s` passed before, or the gateway's patience.

    Raises:
        AthenaError: the job could not be submitted.
        Disconnected: the caller went away.
    """
    waiting: asyncio.Future[Any] = brief
    end: Any = None
    try:
        end = await waiting
        if not isinstance(end, Reply):
            waiting, end = end, None
            await _wait_watched(gateway, waiting, caller, wait_s - UNWATCHED_S)
            end = waiting.result() if waiting.done() else None
    finally:
        if end is None:
            # Shielded: the cancel of this request must not keep the job from being canceled.
            await asyncio.shield(gateway.leave(job_id, waiting))
    if end is None:
        return None
    reply = await gateway.fetch(end)
    if reply.state is JobState.SUCCEEDED:
        gateway.forget_answered(job_id)
    return reply


def waited_too_long(gateway: Gateway, is_private: bool, wait_s: float) -> AthenaError:
    """Returns what a caller is told whose job has not ended in time, or while there was time.

    Args:
        gateway: its patience may be over.
        is_private: whether nobody else knows of the job, so that it was canceled.
        wait_s: how long he would have waited.
    """
    if gateway.patience.is_over:
        job = "the job was canceled" if is_private else "the job goes on"
        return GatewayError(f"the gateway is ending; {job}; send the same request again", retry_after_s=1)
    return WaitTimeoutError(
        f"no answer within {wait_s:g} s; send a request_id, or the header "
        "'Prefer: respond-async', to fetch the answer later"
    )


async def wait_for_end(
    gateway: Gateway,
    job_id: str,
    future: asyncio.Future[Reply],
    body: RequestBody,
    wait_s: float,
) -> Reply | None:
    """Waits for a job's end.

    Returns:
        The end, or None when `wait_s` passed before, or the gateway's patience.

    Raises:
        Disconnected: the caller went away.
    """
    try:
        if not await _ends_within(future, min(UNWATCHED_S, wait_s)) and wait_s > UNWATCHED_S:
            await _wait_watched(gateway, future, body, wait_s - UNWATCHED_S)
        if future.done():
            return await gateway.fetch(future.result())
    finally:
        if not future.done():
            # Shielded: the cancel of this request must not keep the job from being canceled.
            await asyncio.shield(gateway.leave(job_id, future))
    return None


async def _ends_within(future: asyncio.Future[Reply], seconds: float) -> bool:
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


async def _wait_watched(
    gateway: Gateway, future: asyncio.Future[Reply], caller: Watched, wait_s: float
) -> None:
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
