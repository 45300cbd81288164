"""The faults of Redis, each with the time until jobs run again."""

import random
import time
from collections.abc import Callable

from tests.chaos.deaths import BOTH, FENCED, Deaths
from tests.chaos.load import Load
from tests.chaos.redis_server import Loss
from tests.chaos.stage import Stage
from tests.chaos.waiting import wait_for

#: Longer than an observer waits until it takes a silent worker for dead.
SILENCE_S = 7.0

#: What a server that is not asked to write each command down may lose.
LOST_S = 1.0

RECOVERY_LIMIT_S = 60.0


class RedisFaults:
    """Each method breaks Redis, mends it, and returns how long jobs took to run again.

    None of them may end a worker that serves, but for those that Redis has forgotten.

    Attributes:
        losses: what Redis has lost.
    """

    def __init__(self, stage: Stage, load: Load, deaths: Deaths) -> None:
        self._stage = stage
        self._redis = stage.redis
        self._load = load
        self._deaths = deaths
        self.losses: list[Loss] = []

    def all(self) -> dict[str, Callable[[random.Random], float]]:
        """Returns the faults by their names."""
        return {
            "redis killed": self.kill,
            "redis restarted": self.restart,
            "redis frozen": self.freeze,
            "redis without replicas": self.refuse_writes,
            "redis' disk full": self.fill_disk,
            "redis back a second": self.lose_a_second,
        }

    def kill(self, dice: random.Random) -> float:
        """kill -9; the time counts from when it is back."""
        self._deaths.expect_failing_starts(BOTH)
        self._redis.kill()
        time.sleep(dice.uniform(0, 1))
        self._redis.start()
        return self._until_jobs_run()

    def restart(self, dice: random.Random) -> float:
        """An orderly restart."""
        self._deaths.expect_failing_starts(BOTH)
        self._redis.stop()
        self._redis.start()
        return self._until_jobs_run()

    def freeze(self, dice: random.Random) -> float:
        """SIGSTOP: connections stay, and nothing is answered."""
        self._deaths.expect_failing_starts(BOTH)
        with self._redis.frozen():
            time.sleep(SILENCE_S)
        return self._until_jobs_run()

    def refuse_writes(self, dice: random.Random) -> float:
        """A master without its replicas refuses writes and answers questions (`min-replicas-to-write`)."""
        self._deaths.expect_failing_starts(BOTH)
        with self._redis.without_replicas():
            time.sleep(SILENCE_S)
        return self._until_jobs_run()

    def fill_disk(self, dice: random.Random) -> float:
        """Its file cannot grow: it refuses writes and answers questions."""
        self._deaths.expect_failing_starts(BOTH)
        with self._redis.full():
            time.sleep(SILENCE_S)
        return self._until_jobs_run()

    def lose_a_second(self, dice: random.Random) -> float:
        """It comes back without its last second. A worker that became known in that time is none any more."""
        self._deaths.expect_failing_starts(BOTH)
        loss = self._redis.lose(LOST_S)
        known = set(self._redis.client.hkeys("athena:workers"))
        for host in (self._stage.near, self._stage.far):
            strangers = {name.encode() for name in host.incarnations()} - known
            if strangers:
                self._deaths.expect((host.name,), "worker", FENCED, count=len(strangers))
        self.losses.append(loss)
        return self._until_jobs_run()

    def _until_jobs_run(self) -> float:
        url = self._stage.urls[0]
        return wait_for(lambda: self._load.call(url, 5), RECOVERY_LIMIT_S, "jobs run again")
