"""Jobs whose callers have their answers, and that nobody else can ask for: Redis is rid of them early."""

import asyncio
import time
from collections import deque

from api.redis.link import RedisLink
from athena.store.keys import job_key, result_key

#: How long such a job can still be looked at.
KEPT_S = 5.0

#: Between two looks at least: what is due meanwhile goes with one command.
TICK_S = 0.05

#: So many are dropped by one command: Redis serves nobody else meanwhile.
DROPPED_AT_ONCE = 100


class AnsweredJobs:
    """Drops records and results a while after they were answered.

    Without this they go with their TTL, later, and each costs Redis more: it finds what has expired by
    drawing lots. And the fewer there are, the less is copied when the append-only file is rewritten.
    """

    def __init__(self, link: RedisLink) -> None:
        self._link = link
        self._line: deque[tuple[float, str]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, job_id: str) -> None:
        """Notes that a job's caller has its answer."""
        self._line.append((time.monotonic() + KEPT_S, job_id))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(KEPT_S, self._drop)

    def close(self) -> None:
        """Leaves what is left to its TTL."""
        if self._timer is not None:
            self._timer.cancel()

    def _drop(self) -> None:
        now_s, line = time.monotonic(), self._line
        due: list[str] = []
        while line and line[0][0] <= now_s:
            due.append(line.popleft()[1])
        for first in range(0, len(due), DROPPED_AT_ONCE):
            names = due[first : first + DROPPED_AT_ONCE]
            keys = [key(name) for name in names for key in (job_key, result_key)]
            self._link.send(("UNLINK", *keys)).add_done_callback(_ignore)
        after_s = max(TICK_S, line[0][0] - now_s) if line else 0.0
        self._timer = asyncio.get_running_loop().call_later(after_s, self._drop) if line else None


def _ignore(done: "asyncio.Future[object]") -> None:
    """Takes note of an error: what was not dropped goes with its TTL."""
    done.exception()
