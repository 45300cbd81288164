"""The faults of Redis, each with the time until jobs run again."""

import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from tests.chaos.deaths import BOTH, FENCED, Deaths
from tests.chaos.recovery import Recovery
from tests.chaos.redis_server import Loss, RedisServer
from tests.chaos.stage import Stage

#: Longer than an observer waits until it takes a silent worker for dead.
SILENCE_S = 7.0

#: What a server that is not asked to write each command down may lose.
LOST_S = 1.0

#: How wrong the clock of Redis' machine may go.
MOST_WRONG_S = 60.0

#: How much longer a flush of a slow disk takes.
SLOW_FLUSH_S = (0.2, 3.0)


@dataclass(frozen=True)
class ClockStep:
    """A moment, on the monotonic clock, in which Redis' wall clock was set forward, or back."""

    when_s: float
    by_s: float


class RedisFaults:
    """Each method breaks Redis, mends it, and returns how long jobs took to run again.

    None of them may end a worker that serves, but for those that Redis has forgotten.

    Attributes:
        losses: what Redis has lost.
        steps: of its clock.
    """

    def __init__(self, stage: Stage, deaths: Deaths, recovery: Recovery) -> None:
        self._stage = stage
        self._deaths = deaths
        self._recovery = recovery
        self.losses: list[Loss] = []
        self.steps: list[ClockStep] = []

    @property
    def _redis(self) -> RedisServer:
        return self._stage.one_redis

    def all(self) -> dict[str, Callable[[random.Random], float]]:
        """Returns the faults by their names."""
        return {
            "redis killed": self.kill,
            "redis restarted": self.restart,
            "redis frozen": self.freeze,
            "redis without replicas": self.refuse_writes,
            "redis' disk full": self.fill_disk,
            "redis back a second": self.lose_a_second,
            "redis loses power": self.lose_power,
            "redis' file torn": self.tear_file,
            "redis' disk slow": self.slow_disk,
            "redis' clock stepped": self.step_clock,
        }

    def kill(self, dice: random.Random) -> float:
        """kill -9; the time counts from when it is back."""
        self._deaths.expect_failing_starts(BOTH)
        self._redis.kill()
        time.sleep(dice.uniform(0, 1))
        self._redis.start()
        return self._recovery.until_answered()

    def restart(self, dice: random.Random) -> float:
        """An orderly restart."""
        self._deaths.expect_failing_starts(BOTH)
        self._redis.stop()
        self._redis.start()
        return self._recovery.until_answered()

    def freeze(self, dice: random.Random) -> float:
        """SIGSTOP: connections stay, and nothing is answered."""
        self._deaths.expect_failing_starts(BOTH)
        with self._redis.frozen():
            time.sleep(SILENCE_S)
        return self._recovery.until_answered()

    def refuse_writes(self, dice: random.Random) -> float:
        """A master without its replicas refuses writes and answers questions (`min-replicas-to-write`)."""
        self._deaths.expect_failing_starts(BOTH)
        with self._redis.without_replicas():
            time.sleep(SILENCE_S)
        return self._recovery.until_answered()

    def fill_disk(self, dice: random.Random) -> float:
        """Its file cannot grow: it refuses writes and answers questions."""
        self._deaths.expect_failing_starts(BOTH)
        with self._redis.full():
            time.sleep(SILENCE_S)
        return self._recovery.until_answered()

    def lose_a_second(self, dice: random.Random) -> float:
        """It comes back without its last second."""
        self._deaths.expect_failing_starts(BOTH)
        self.note_loss(self._redis.lose(LOST_S))
        return self._recovery.until_answered()

    def lose_power(self, dice: random.Random) -> float:
        """Its machine loses power: what was not flushed is gone."""
        self._deaths.expect_failing_starts(BOTH)
        loss = self._redis.lose_power()
        self._redis.start()
        self.note_loss(loss)
        return self._recovery.until_answered()

    def tear_file(self, dice: random.Random) -> float:
        """The same, and some of what was not flushed is there: its file ends in the middle of a command."""
        self._deaths.expect_failing_starts(BOTH)
        loss = self._redis.lose_power(lambda size: dice.randint(0, size))
        self._redis.start()
        self.note_loss(loss)
        return self._recovery.until_answered()

    def slow_disk(self, dice: random.Random) -> float:
        """Each flush takes long: the server waits for it, with `everysec` from 2 s on."""
        self._deaths.expect_failing_starts(BOTH)
        with self._redis.slow_disk(dice.uniform(*SLOW_FLUSH_S)):
            time.sleep(SILENCE_S)
        return self._recovery.until_answered()

    def step_clock(self, dice: random.Random) -> float:
        """The clock of its machine is set forward or back, and stays so."""
        assert self._redis.clock is not None
        # Never far from the right time in the end, however many steps there are.
        by_s = dice.uniform(-MOST_WRONG_S, MOST_WRONG_S) - self._redis.clock.offset_s
        self.steps.append(ClockStep(time.monotonic(), by_s))
        self._redis.clock.step(by_s)
        time.sleep(SILENCE_S)
        return self._recovery.until_answered()

    def note_loss(self, loss: Loss | None) -> None:
        """Remembers what a server that is back has lost.

        A worker that became known in that time is none any more.
        """
        if loss is None:
            return
        known = self._known_workers()
        for host in (self._stage.near, self._stage.far):
            strangers = {name.encode() for name in host.incarnations()} - known
            if strangers:
                self._deaths.expect((host.name,), "worker", FENCED, count=len(strangers))
        self._deaths.revive(loss.from_s)
        self.losses.append(loss)

    def _known_workers(self) -> set[bytes]:
        """Returns the incarnations that Redis knows; a connection may still lead to a master that is gone."""
        found: list[bytes] = []

        def is_told() -> bool:
            with contextlib.suppress(redis.RedisError):
                found[:] = self._stage.redis.client.hkeys("athena:workers")  # type: ignore[assignment]
                return True
            return False

        self._recovery.until(is_told, "Redis names the workers")
        return set(found)
