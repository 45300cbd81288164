"""Waiting for a job on behalf of a caller who may lose patience or go away."""

import asyncio
import contextlib

from api.gateway import Gateway
from api.request_body import Disconnected, RequestBody
from athena.errors import WaitTimeoutError
from athena.store import Reply, Submission

#: So long a caller is not watched for going away: most jobs have ended by then, and watching costs a task.
UNWATCHED_S = 0.25

#: The longest wait that a caller may name; proxies and clients give up sooner.
MAX_WAIT_S = 300.0


async def submit_and_attach(
    gateway: Gateway, submission: Submission, payload: bytes | None
) -> tuple[str, asyncio.Future[Reply]]:
    """Submits a job; returns its id and a future of its end, also when another request has brought it in.

    Raises:
        AthenaError: the job cannot be submitted (see `Gateway.submit`).
    """
    future = gateway.wait_for(submission.job_id)
    try:
        job_id, _ = await gateway.submit(submission, payload)
    except BaseException:
        await asyncio.shield(gateway.leave(submission.job_id, future))
        raise
    if job_id == submission.job_id:
        return job_id, future
    gateway.forget(submission.job_id, future)
    future = gateway.wait_for(job_id)
    await gateway.recheck(job_id)
    return job_id, future


def waited_too_long(wait_s: float) -> WaitTimeoutError:
    """Returns what a caller is told whose job has not ended in time."""
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
        The end, or None when `wait_s` passed before.

    Raises:
        Disconnected: the caller went away.
    """
    try:
        if not await _ends_within(future, min(UNWATCHED_S, wait_s)) and wait_s > UNWATCHED_S:
            await _wait_watched(future, body, wait_s - UNWATCHED_S)
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


async def _wait_watched(future: asyncio.Future[Reply], body: RequestBody, wait_s: float) -> None:
    watcher = asyncio.ensure_future(body.until_disconnect())
    try:
        await asyncio.wait((future, watcher), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if watcher.done() and not future.done():
            raise Disconnected
    finally:
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
