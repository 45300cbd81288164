"""Until all is whole again after a fault: the conditions, and how long they may take."""

import contextlib
from collections.abc import Callable
from typing import Any

import redis

from tests.chaos.load import Load
from tests.chaos.stage import Host, Stage
from tests.chaos.waiting import wait_for

#: Without the time in which another fault keeps hosts from Redis.
RECOVERY_LIMIT_S = 60.0

#: How long one attempt to get an answer waits.
CALL_S = 5.0


class Recovery:
    """Looks at a stage until it is whole.

    Each method returns how many seconds that took, and raises TimeoutError where it takes too long.
    """

    def __init__(self, stage: Stage, load: Load) -> None:
        self._stage = stage
        self._load = load

    def until(self, holds: Callable[[], Any], what: str) -> float:
        """Waits for a condition."""
        return wait_for(holds, RECOVERY_LIMIT_S, what, lambda: self._stage.is_broken)

    def until_answered(self, url: str = "") -> float:
        """Waits until a gateway answers a call with its result: the near one, if no other is named."""
        url = url or self._stage.urls[0]
        return self.until(lambda: self._load.call(url, CALL_S), f"{url} answers with results")

    def until_passed_on(self, incarnations: list[str]) -> float:
        """Waits until all jobs of workers that have ended are passed on."""
        return self.until(lambda: all(map(self.is_passed_on, incarnations)), "its jobs are passed on")

    def until_all_run(self, host: Host) -> float:
        """Waits until each worker of a host has run a job that came after now."""
        offset = self._stage.ledger_path.stat().st_size

        def all_run() -> bool:
            with self._stage.ledger_path.open("rb") as ledger:
                ledger.seek(offset)
                words = [line.split() for line in ledger.read().splitlines()]
            busy = {int(line[3]) for line in words if line[0] == b"begin" and len(line) > 3}
            workers = {one.pid for one in host.children("workers")}
            return len(workers) == len(self._stage.services) and workers <= busy

        return self.until(all_run, f"all workers of host {host.name} run jobs")

    def until_job_is(self, state: str, job_id: str) -> float:
        """Waits for a job's end."""

        def is_so() -> bool:
            with contextlib.suppress(redis.RedisError):
                return self._stage.redis.client.hget(f"athena:job:{job_id}", "state") == state.encode()
            return False

        return self.until(is_so, f"a job is {state}")

    def is_passed_on(self, incarnation: str) -> bool:
        """Whether nobody waits for a worker any more."""
        client = self._stage.redis.client
        try:
            known = client.hexists("athena:workers", incarnation)
            return not known and not client.exists(f"athena:inflight:{incarnation}")
        except redis.RedisError:
            return False
