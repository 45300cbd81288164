"""Callers that wait for a job, and how they hear of its end."""

import asyncio
import contextlib
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from api.background import BackgroundLoop
from athena.errors import StoreError
from athena.jobs.record import JobRecord
from athena.store.submission import Reply, split_replies

logger = logging.getLogger(__name__)

#: A lost wake-up costs at most this long: so often the records of all awaited jobs are read again, in bulk.
RECHECK_S = 10.0

#: So soon they are read again if one could not be read: Redis may be back before the pause is over, and away
#: again after it.
FAILED_RECHECK_S = 0.5

#: So many records are read again at a time: thousands in one turn would hold up whoever sends a request then.
RECHECKED_AT_ONCE = 100

#: A job that Redis has not known for so long is lost: no submission is on its way for that time.
LOST_S = 12.0

#: How long a `BriefFuture` is waited for.
BRIEF_S = 0.25


class BriefFuture(asyncio.Future["Reply | asyncio.Future[Reply]"]):
    """Holds a job's end, or what to wait for from then on, when the job has not ended in a short while."""

    _at_once: "Callable[[BriefFuture], None] | None" = None

    def when_done(self, call: "Callable[[BriefFuture], None]") -> None:
        """Calls something once it is done; of an end, on the turn of the loop on which that came."""
        self._at_once = call
        self.add_done_callback(call)

    def end(self, reply: Reply) -> None:
        """The job has ended."""
        call, self._at_once = self._at_once, None
        if call is None:
            self.set_result(reply)
            return
        self.remove_done_callback(call)
        self.set_result(reply)
        try:
            call(self)
        except Exception:
            # Others wait for what came with it.
            logger.exception("a caller cannot be answered")


#: Reads a job's record and resolves those who wait for it if it is final.
Recheck = Callable[[str], Awaitable[None]]


class Patience:
    """How long callers may wait at all: until the gateway has no time left."""

    def __init__(self) -> None:
        self._ends: set[asyncio.Future[None]] = set()
        self.is_over = False

    def begin(self) -> asyncio.Future[None]:
        """Returns what is done when there is no time left; give it to `end`."""
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self.is_over:
            end.set_result(None)
        else:
            self._ends.add(end)
        return end

    def end(self, end: asyncio.Future[None]) -> None:
        """Forgets one who waits no more."""
        self._ends.discard(end)

    def lose(self) -> None:
        """Ends all waits, also those that begin from now on, as if their limit had passed."""
        self.is_over = True
        for end in self._ends:
            if not end.done():
                end.set_result(None)


class Waiters:
    """job id -> the futures of those who wait for it in this gateway."""

    def __init__(self, recheck_job: Recheck) -> None:
        self._recheck_job = recheck_job
        self._futures: dict[str, list[asyncio.Future[Any]]] = {}
        self._brief: deque[tuple[float, str, BriefFuture]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._event_loop: asyncio.AbstractEventLoop | None = None
        # It waits for its turn itself.
        self._loop = BackgroundLoop("the look at awaited jobs", self._recheck_in_turn, lambda: 0)
        self._recheck_now = asyncio.Event()
        self._has_missed = False
        self._unknown_since_s: dict[str, float] = {}

    @property
    def count(self) -> int:
        """How many wait."""
        return sum(map(len, self._futures.values()))

    def start(self) -> None:
        """Begins to read awaited records again from time to time."""
        # As in `RedisLink.start`.
        self._event_loop = asyncio.get_running_loop()
        self._loop.start()

    async def close(self) -> None:
        """Stops; who still waits is canceled with the server."""
        await self._loop.close()
        if self._timer is not None:
            self._timer.cancel()

    def add(self, job_id: str) -> asyncio.Future[Reply]:
        """Returns a future that holds the job's end."""
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._futures.setdefault(job_id, []).append(future)
        return future

    def add_brief(self, job_id: str) -> BriefFuture:
        """Returns a future that is done after `BRIEF_S` at the latest; one timer serves them all."""
        loop = self._event_loop or asyncio.get_running_loop()
        future = BriefFuture(loop=loop)
        self._futures.setdefault(job_id, []).append(future)
        line = self._brief
        while line and line[0][2].done():
            line.popleft()
        line.append((loop.time() + BRIEF_S, job_id, future))
        if self._timer is None:
            self._timer = loop.call_later(BRIEF_S, self._end_brief)
        return future

    def _end_brief(self) -> None:
        """Gives those who have waited for `BRIEF_S` something else to wait for."""
        loop, line = asyncio.get_running_loop(), self._brief
        while line and (line[0][2].done() or line[0][0] <= loop.time()):
            _, job_id, future = line.popleft()
            futures = self._futures.get(job_id, [])
            if not future.done() and future in futures:
                successor: asyncio.Future[Reply] = loop.create_future()
                # In its place before anybody runs: an end that comes in between must find it.
                futures[futures.index(future)] = successor
                future.set_result(successor)
        self._timer = loop.call_at(line[0][0], self._end_brief) if line else None

    def fail(self, job_id: str, error: BaseException) -> None:
        """Tells those who wait that their job, as far as one knows, was not submitted; they then `remove`."""
        for future in self._futures.get(job_id, ()):
            if not future.done():
                future.set_exception(error)

    def miss(self, job_id: str, now_s: float) -> None:
        """Hears that Redis does not know a job; when it has not for `LOST_S`, those who wait are told."""
        since_s = self._unknown_since_s.setdefault(job_id, now_s)
        if now_s - since_s >= LOST_S:
            self.fail(job_id, StoreError(f"Redis has lost job {job_id}; send it again", retry_after_s=1))

    def remove(self, job_id: str, future: asyncio.Future[Any]) -> bool:
        """Forgets a future; returns whether it was the last one that waited for this job."""
        futures = self._futures.get(job_id)
        if futures is None or future not in futures:
            return False
        futures.remove(future)
        if futures:
            return False
        del self._futures[job_id]
        return True

    def on_push(self, data: bytes) -> None:
        """Wakes those whose jobs ended."""
        for reply in split_replies(data):
            self.resolve(reply)

    def resolve(self, reply: Reply) -> None:
        """Hands a job's end to all who wait for it."""
        for future in self._futures.pop(reply.job_id, ()):
            if future.done():
                continue
            if isinstance(future, BriefFuture):
                future.end(reply)
            else:
                future.set_result(reply)

    def recheck(self) -> None:
        """Reads all awaited records again soon; to be called when wake-ups may have been lost."""
        self._recheck_now.set()

    async def _recheck_in_turn(self) -> None:
        pause_s = (FAILED_RECHECK_S if self._has_missed else RECHECK_S) * random.uniform(0.8, 1.2)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._recheck_now.wait(), pause_s)
        self._recheck_now.clear()
        awaited = list(self._futures)
        self._unknown_since_s = {
            job_id: since_s for job_id, since_s in self._unknown_since_s.items() if job_id in self._futures
        }
        self._has_missed = False
        for first in range(0, len(awaited), RECHECKED_AT_ONCE):
            if not await self._recheck_some(awaited[first : first + RECHECKED_AT_ONCE]):
                self._has_missed = True

    async def _recheck_some(self, job_ids: list[str]) -> bool:
        """Reads some records again; returns whether Redis answered."""
        # Those that ended meanwhile are not asked for.
        left = [job_id for job_id in job_ids if job_id in self._futures]
        # One that cannot be read keeps no other from being read. Of a lost Redis the link tells.
        results = await asyncio.gather(*map(self._recheck_job, left), return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, StoreError):
                logger.error("cannot read an awaited job again", exc_info=result)
        return not any(isinstance(result, StoreError) for result in results)


def reply_of(record: JobRecord) -> Reply:
    """Returns a final record as the reply that its end published."""
    return Reply(
        job_id=record.job_id,
        state=record.state,
        code=record.code,
        message=record.message,
        gpu_type=record.gpu_type,
        payload=record.result,
    )
