"""The faults of a master that sentinels watch, each with the time until jobs run again."""

import random
import time
from collections.abc import Callable

from tests.chaos.deaths import BOTH, FENCED, Deaths
from tests.chaos.recovery import Recovery
from tests.chaos.redis_faults import RedisFaults
from tests.chaos.redis_server import Loss
from tests.chaos.sentinels import SentinelRedis
from tests.chaos.stage import Stage

#: How far a replica may be behind its master on one machine.
LAG_S = 1.0


class FailoverFaults:
    """Each method takes the master away; another one takes its place, and has what it was sent."""

    def __init__(self, stage: Stage, deaths: Deaths, recovery: Recovery, redis: RedisFaults) -> None:
        self._stage = stage
        self._deaths = deaths
        self._recovery = recovery
        self._redis = redis

    def all(self) -> dict[str, Callable[[random.Random], float]]:
        """Returns the faults by their names."""
        return {"master loses power": self.lose_power, "master cut off": self.cut_off}

    def lose_power(self, dice: random.Random) -> float:
        """The master's machine loses power, with what lies in its buffers."""
        return self._lose_master(is_killed=True)

    def cut_off(self, dice: random.Random) -> float:
        """Nobody reaches the master, which lives on, and comes back as a replica."""
        return self._lose_master(is_killed=False)

    def _lose_master(self, is_killed: bool) -> float:
        sentinels = self._stage.redis
        assert isinstance(sentinels, SentinelRedis)
        self._deaths.expect_failing_starts(BOTH)
        self._deaths.expect(BOTH, "worker", FENCED, count=2 * len(self._stage.services))
        from_s = time.monotonic()
        old = sentinels.cut_off_master(is_killed)
        try:
            sentinels.wait_for_other_master(old)
            self._redis.note_loss(Loss(from_s - LAG_S, time.monotonic()))
        finally:
            sentinels.bring_back(old)
        took_s = self._recovery.until_answered()
        sentinels.wait_until_whole()
        return took_s
