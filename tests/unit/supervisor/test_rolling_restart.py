"""A rolling restart: one process after the other."""

from collections.abc import Sequence

import pytest

from athena.supervisor.child import Child, Phase
from athena.supervisor.rolling_restart import RollingRestart, Turn


class Puppet(Child):
    """A child without a process, which does what a test says."""

    def __init__(self, name: str, is_restartable: bool = True) -> None:
        super().__init__(name, 1)
        self.is_restartable = is_restartable
        self.serves = True
        self.asked = 0
        self.refuses = False

    def command(self) -> Sequence[str]:
        return ()

    def check_ready(self) -> bool:
        return True

    @property
    def is_ready(self) -> bool:
        return self.serves

    def restart(self) -> bool:
        self.asked += 1
        if not self.refuses:
            self.phase = Phase.REPLACING
        return not self.refuses

    def come_back(self) -> None:
        self.phase = Phase.UP


def test_next_process_goes_when_the_one_before_serves_again() -> None:
    first, second = Puppet("first"), Puppet("second")
    said: list[str] = []
    restart = RollingRestart(said.append)

    restart.begin([first, second])
    restart.step()
    restart.step()
    away = (first.asked, second.asked)
    first.come_back()
    first.serves = False
    restart.step()
    loading = second.asked
    first.serves = True
    restart.step()
    second.come_back()
    restart.step()

    assert (away, loading) == ((1, 0), 0)
    assert (first.asked, second.asked) == (1, 1)
    assert said == ["replacing first", "replacing second", "all processes were replaced"]


def test_restart_does_not_wait_for_one_that_nobody_needs_and_that_does_not_start() -> None:
    flower, gateway = Puppet("flower"), Puppet("gateway")
    flower.is_needed = False
    restart = RollingRestart(lambda text: None)

    restart.begin([flower, gateway])
    restart.step()
    flower.come_back()
    flower.serves = False
    restart.step()
    asked_while_starting = gateway.asked
    flower.failures = 1
    restart.step()

    assert (asked_while_starting, gateway.asked) == (0, 1)


def test_some_processes_are_left_alone() -> None:
    redis, drained = Puppet("redis", is_restartable=False), Puppet("drained")
    drained.drain()
    restart = RollingRestart(lambda text: None)

    restart.begin([redis, drained])
    restart.step()

    assert (redis.asked, drained.asked) == (0, 0)


def test_process_that_is_drained_meanwhile_holds_nobody_up() -> None:
    first, second = Puppet("first"), Puppet("second")
    restart = RollingRestart(lambda text: None)

    restart.begin([first, second])
    restart.step()
    first.drain()
    restart.step()

    assert second.asked == 1


@pytest.mark.parametrize("serves", [True, False])
def test_restart_that_is_refused_holds_nobody_up(serves: bool) -> None:
    refusing, second = Puppet("refusing"), Puppet("second")
    refusing.refuses, refusing.serves = True, serves
    said: list[str] = []
    restart = RollingRestart(said.append)

    restart.begin([refusing, second])
    restart.step()
    restart.step()
    second.come_back()
    restart.step()

    assert (refusing.asked, second.asked) == (1, 1)
    assert said == [
        "replacing refusing",
        "replacing second",
        "all processes were replaced but 1, which go on as before; the log says why",
    ]


def test_process_whose_successor_loads_is_waited_for_and_counts_if_that_fails() -> None:
    kept, second = Puppet("kept"), Puppet("second")
    said: list[str] = []
    restart = RollingRestart(said.append)

    restart.begin([kept, second])
    restart.step()
    kept.phase, kept.successor = Phase.UP, Puppet("successor")
    restart.step()
    asked_while_loading = second.asked
    kept.successor, kept.refusal = None, "no model"
    restart.step()
    second.come_back()
    restart.step()

    assert (asked_while_loading, second.asked) == (0, 1)
    assert said[-1] == "all processes were replaced but 1, which go on as before; the log says why"


def test_process_that_is_sent_away_before_its_turn_is_not_replaced() -> None:
    first, gone = Puppet("first"), Puppet("gone")
    said: list[str] = []
    restart = RollingRestart(said.append)

    restart.begin([first, gone])
    restart.step()
    gone.drain()
    first.come_back()
    restart.step()

    assert gone.asked == 0
    assert said == ["replacing first", "all processes were replaced"]


def test_turn_waits_for_a_successor_that_loads() -> None:
    first, second, turn = Puppet("first"), Puppet("second"), Turn()
    turn.take(first)
    first.successor = Puppet("successor")

    assert not turn.take(second)
    first.successor = None
    assert turn.take(second)


def test_turn_comes_when_the_one_before_serves_again() -> None:
    first, second, turn = Puppet("first"), Puppet("second"), Turn()

    assert turn.take(first)
    first.restart()
    assert not turn.take(second)
    first.come_back()
    first.serves = False
    assert not turn.take(second)
    # That one may be restarted once more, mended.
    assert turn.take(first)
    first.serves = True

    assert turn.take(second)


def test_turn_of_one_that_does_not_serve_is_always_now() -> None:
    first, down, turn = Puppet("first"), Puppet("down"), Turn()
    turn.take(first)
    first.restart()
    down.serves = False

    assert turn.take(down)


def test_turn_does_not_wait_for_one_that_is_drained() -> None:
    first, second, turn = Puppet("first"), Puppet("second"), Turn()
    turn.take(first)
    first.restart()
    first.drain()

    assert turn.take(second)
