"""A job on its way from a gateway into Redis, and its end on its way back."""

import asyncio
from collections.abc import Callable
from typing import Any

from api.gateway.caller import UNWATCHED_S, Caller, ends_within, wait_watched
from api.gateway.job_client import JobClient
from api.gateway.waiters import BriefFuture
from athena.access.quotas import nothing_left, rate_left
from athena.protocol.enums import JobState
from athena.store.submission import Reply, Submission
from athena.store.verdicts import Accepted, Attached, OverQuota, Verdict


class Errand:
    """One job: submitted, and waited for or given up.

    A caller may wait for minutes, and what he sent may be large: once the job is in Redis, it is held nowhere
    else.

    Args:
        gateway: where it goes.
        job: ready for its queue.
        payload: the inputs, when they do not ride in its message.
        wait_s: how long its caller waits.

    Attributes:
        job_id: another job's once it turns out that the request_id is known.
        is_private: whether nobody but its caller can ask for the job.
        rate_fields: what its caller is told of the quotas of his app, as headers.
    """

    __slots__ = (
        "_gateway",
        "_job",
        "_payload",
        "_recheck",
        "_refusal",
        "_release",
        "_verdict",
        "_wait_s",
        "_waiting",
        "is_private",
        "job_id",
        "rate_fields",
    )

    def __init__(self, gateway: JobClient, job: Submission, payload: bytes | None, wait_s: float) -> None:
        self._gateway = gateway
        self._job: Submission | None = job
        self._payload = payload
        self._wait_s = wait_s
        self.job_id, self.is_private = job.job_id, job.abandonable
        self._release: Callable[[], None] = _nothing
        # What is waited for now: a brief future, or what it has led to.
        self._waiting: asyncio.Future[Any] | None = None
        # Done once Redis has said what becomes of the job, where its caller waits for that.
        self._verdict: asyncio.Future[None] | None = None
        self._refusal: BaseException | None = None
        self._recheck: asyncio.Task[None] | None = None
        self.rate_fields: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def rides_along(self) -> bool:
        """Whether all inputs are in the job's message."""
        return self._payload is None

    @property
    def _is_brief(self) -> bool:
        """Whether nothing has to be known but the end: the job is its caller's alone, and he has time."""
        return self.is_private and self._wait_s > UNWATCHED_S

    def submit(self, release: Callable[[], None]) -> BriefFuture:
        """Puts the job into its queue, and does not wait until it lies there.

        What does not ride in its message was stored before.

        Args:
            release: called once the job is in Redis.

        Returns:
            A brief future (`Waiters.add_brief`) of its end or refusal.
        """
        waiting = self._waiting = self._gateway.wait_briefly(self.job_id)
        try:
            self._send(release, self._is_brief)
        except BaseException:
            # Else the future stays among those that wait, and its job is read again for ever.
            self._gateway.forget(self.job_id, waiting)
            self._release = _nothing
            raise
        return waiting

    async def hand_in(self, release: Callable[[], None]) -> str:
        """Puts a job into its queue whose end nobody waits for; returns its id.

        Raises:
            QueueFullError: the queue holds as many jobs as it may.
            RequestIdConflictError: the request_id belongs to another body.
            StoreError: Redis cannot be reached or refuses writes.
        """
        await self._store_payload()
        self._send(release, False)
        if self._verdict is not None:
            await self._verdict
        if self._refusal is not None:
            # Not held any more: its traceback leads back here.
            refusal, self._refusal = [self._refusal], None
            raise refusal.pop()
        return self.job_id

    def forget(self, end: Reply) -> None:
        """Lets the job go from Redis if its caller, who has this end, is the only one who can ask for it."""
        if self.is_private and end.state is JobState.SUCCEEDED:
            self._gateway.forget_answered(self.job_id)

    async def _store_payload(self) -> None:
        payload, self._payload = self._payload, None
        await self._gateway.store_payload(self.job_id, payload)

    def _send(self, release: Callable[[], None], is_brief: bool) -> None:
        assert self._job is not None
        self._release = release
        if not is_brief:
            self._verdict = asyncio.get_running_loop().create_future()
        self._gateway.send(self._job, self._on_verdict)

    def _on_verdict(self, verdict: Verdict | BaseException) -> None:
        job, self._job = self._job, None
        release, self._release = self._release, _nothing
        match verdict:
            case Accepted(rate=rate):
                self.rate_fields = rate_left(rate)
                release()
            case BaseException():
                self._fail(verdict)
            case Attached(job_id=other_id):
                release()
                self._attach(other_id)
                if self._recheck is not None:
                    # Only when that is read is it known whether the job has ended.
                    return
            case _ if job is not None:
                if isinstance(verdict, OverQuota):
                    self.rate_fields = nothing_left(verdict.detail)
                self._fail(self._gateway.refusal(verdict, job))
        if self._verdict is not None:
            self._settle()

    def _settle(self) -> None:
        if self._verdict is not None and not self._verdict.done():
            self._verdict.set_result(None)

    def _fail(self, error: BaseException) -> None:
        # After the first moment the brief future is done; its successor is what the caller waits for.
        self._follow()
        if self._waiting is None:
            self._refusal = error
        elif not self._waiting.done():
            self._waiting.set_exception(error)

    def _attach(self, job_id: str) -> None:
        """Goes over to the job that has the request_id."""
        own_id, self.job_id = self.job_id, job_id
        self._follow()
        own = self._waiting
        if own is None:
            # Nobody waits, or nobody any more.
            return
        self._gateway.forget(own_id, own)
        self._waiting = self._gateway.wait_for(job_id)
        if not own.done():
            own.set_result(self._waiting)
        self._recheck = asyncio.ensure_future(self._gateway.recheck(job_id))
        self._recheck.add_done_callback(self._on_recheck)

    def _on_recheck(self, recheck: asyncio.Task[None]) -> None:
        self._recheck = None
        error = None if recheck.cancelled() else recheck.exception()
        if error is not None:
            self._fail(error)
        self._settle()

    def _follow(self) -> None:
        """Goes over to what a brief future that is done has led to."""
        brief = self._waiting
        if brief is not None and brief.done() and not brief.cancelled() and brief.exception() is None:
            successor = brief.result()
            if isinstance(successor, asyncio.Future):
                self._waiting = successor

    async def run(self, caller: Caller) -> Reply | None:
        """Submits the job unless that was done, and waits for its end.

        Returns:
            The end, or None when its caller has waited long enough, or the gateway's patience is over.

        Raises:
            AthenaError: the job cannot be submitted (see `hand_in`).
            Disconnected: the caller went away.
        """
        if self._waiting is None:
            await self._store_payload()
            self.submit(caller.release)
        end: Reply | None = None
        try:
            if self._verdict is not None:
                await self._verdict
            end = await self._until_end(caller)
        finally:
            # Also after a StoreError: a submission whose reply was lost may have been carried out.
            if end is None:
                await self._leave()
        return await self._fetch(end) if end is not None else None

    async def _until_end(self, caller: Caller) -> Reply | None:
        assert self._waiting is not None
        unwatched_s = min(UNWATCHED_S, self._wait_s)
        if self._is_brief:
            # One timer serves all of these.
            await self._waiting
        else:
            await ends_within(self._waiting, unwatched_s)
        self._follow()
        if not self._waiting.done() and self._wait_s > unwatched_s:
            await wait_watched(self._gateway, self._waiting, caller, self._wait_s - unwatched_s)
        end: Reply | None = self._waiting.result() if self._waiting.done() else None
        return end

    async def _leave(self) -> None:
        """Gives the job up."""
        self._follow()
        # A future that has failed leads back here by its error's traceback.
        waiting, self._waiting = self._waiting, None
        assert waiting is not None
        # Shielded: the cancel of this request must not keep the job from being canceled.
        await asyncio.shield(self._gateway.leave(self.job_id, waiting))

    async def _fetch(self, end: Reply) -> Reply:
        reply = await self._gateway.fetch(end)
        self.forget(reply)
        return reply


def _nothing() -> None:
    """There is nothing to forget."""
