"""The faults of one host's network, each with the time until its workers run jobs again."""

import random
import time
from collections.abc import Callable

from tests.chaos.deaths import FAR, FENCED, Deaths
from tests.chaos.recovery import Recovery
from tests.chaos.stage import Stage
from tests.proxy import Mode

#: Longer than an observer waits until it takes a silent worker for dead.
SILENCE_S = 7.0


class NetworkFaults:
    """What lies between host `far` and Redis misbehaves."""

    def __init__(self, stage: Stage, deaths: Deaths, recovery: Recovery) -> None:
        self._stage = stage
        self._deaths = deaths
        self._recovery = recovery

    def all(self) -> dict[str, Callable[[random.Random], float]]:
        """Returns the faults by their names."""
        return {
            "connections half open": self.forget_connections,
            "link slow": self.slow_link,
            "host cut off": self.cut_off,
        }

    def forget_connections(self, dice: random.Random) -> float:
        """All connections are half open: one end is gone, and the other hears of nothing."""
        self._expect_fences()
        self._stage.proxy.forget()
        return self._recovery.until_all_run(self._stage.far)

    def slow_link(self, dice: random.Random) -> float:
        """All that a host sends or is sent arrives late."""
        self._expect_fences()
        with self._stage.proxy.broken(Mode.SLOW):
            time.sleep(SILENCE_S)
        return self._recovery.until_all_run(self._stage.far)

    def cut_off(self, dice: random.Random) -> float:
        """A host has no network: packets vanish, and connections go on when it is back."""
        assert self._stage.island is not None
        self._expect_fences()
        with self._stage.island.cut_off():
            time.sleep(dice.uniform(0.5, 1.5) * SILENCE_S)
        return self._recovery.until_all_run(self._stage.far)

    def _expect_fences(self) -> None:
        self._deaths.expect(FAR, "worker", FENCED, count=len(self._stage.services))
        self._deaths.expect_failing_starts(FAR)
