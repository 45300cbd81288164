"""The faults of whole machines: several processes end at once, or come back as another version."""

import random
import time
from collections.abc import Callable

import psutil

from tests.chaos.deaths import BOTH, FAR, FENCED, NEAR, STOPPED, Deaths
from tests.chaos.recovery import Recovery
from tests.chaos.redis_faults import RedisFaults
from tests.chaos.stage import Host, Stage


class MachineFaults:
    """Each method breaks, or exchanges, a supervisor with all that it has started."""

    def __init__(self, stage: Stage, deaths: Deaths, recovery: Recovery, redis: RedisFaults) -> None:
        self._stage = stage
        self._deaths = deaths
        self._recovery = recovery
        self._redis = redis

    def all(self) -> dict[str, Callable[[random.Random], float]]:
        """Returns the faults by their names."""
        return {
            "supervisor and redis killed": self.kill_supervisor_and_redis,
            "host and redis lose power": self.lose_power,
            "host of another version": self.exchange_far,
            "near host of another version": self.exchange_near,
            "gateway of another version": self.exchange_gateway,
        }

    def kill_supervisor_and_redis(self, dice: random.Random) -> float:
        """kill -9 of Redis and of the supervisor beside it; what that has started ends with it."""
        self._deaths.expect_failing_starts(BOTH)
        near = self._stage.near
        incarnations, orphans = near.incarnations(), near.everything()[1:]
        self._stage.one_redis.kill()
        near.kill_supervisor()
        self._deaths.count(len(incarnations))
        try:
            self._recovery.until(lambda: not any(map(_lives, orphans)), "nothing outlives its supervisor")
            time.sleep(dice.uniform(0, 1))
        finally:
            self._stage.one_redis.start()
            near.start()
        return max(self._recovery.until_passed_on(incarnations), self._recovery.until_all_run(near))

    def lose_power(self, dice: random.Random) -> float:
        """A machine with Redis, a gateway and workers loses its power, and is switched on again."""
        self._deaths.expect_failing_starts(BOTH)
        near = self._stage.near
        loss = self._stage.one_redis.lose_power(lambda size: dice.randint(0, size))
        incarnations = near.kill()
        self._deaths.count(len(incarnations))
        self._stage.one_redis.start()
        self._redis.note_loss(loss)
        near.start()
        return max(self._recovery.until_passed_on(incarnations), self._recovery.until_all_run(near))

    def exchange_far(self, dice: random.Random) -> float:
        """A host with workers alone is upgraded, or set back."""
        self._deaths.expect(FAR, "worker", *STOPPED, FENCED, count=len(self._stage.services))
        self._exchange(self._stage.far)
        return self._recovery.until_all_run(self._stage.far)

    def exchange_near(self, dice: random.Random) -> float:
        """A host with a gateway and workers is upgraded, or set back."""
        self._deaths.expect(NEAR, "worker", *STOPPED, FENCED, count=len(self._stage.services))
        self._deaths.expect(NEAR, "gateway", *STOPPED)
        self._exchange(self._stage.near)
        return max(self._recovery.until_answered(), self._recovery.until_all_run(self._stage.near))

    def exchange_gateway(self, dice: random.Random) -> float:
        """A gateway alone is upgraded, or set back."""
        self._exchange(self._stage.gateway)
        return self._recovery.until_answered(self._stage.urls[1])

    def _exchange(self, host: Host) -> None:
        """Ends a host in order, and starts it with the interpreter of the next version."""
        pythons = self._stage.pythons
        host.stop()
        host.python = pythons[(pythons.index(host.python) + 1) % len(pythons)]
        host.start()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
