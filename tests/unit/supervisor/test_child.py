"""What becomes of a child, and by which verbs; a process that counts its SIGTERMs stands for all."""

import signal
import sys
from collections.abc import Iterator, Sequence

import pytest

from athena.supervisor.child import Child, Phase

SLEEP = "import time; time.sleep(600)"


class Sleeper(Child):
    """Sleeps, and remembers by which signals it was asked to end."""

    def __init__(self) -> None:
        super().__init__("sleeper", 5)
        self.asked: list[signal.Signals] = []

    def command(self) -> Sequence[str]:
        return (sys.executable, "-I", "-S", "-c", SLEEP)

    def check_ready(self) -> bool:
        return True

    def signal(self, number: signal.Signals) -> None:
        self.asked += [number] * self.is_running

    def end(self, restart_at_s: float = 7.0) -> None:
        """Has the process end, as its supervisor sees that."""
        super().signal(signal.SIGKILL)
        self.reap()
        self.ended(restart_at_s)


@pytest.fixture
def child() -> Iterator[Sleeper]:
    child = Sleeper()
    yield child
    if child.is_running:
        child.end()


@pytest.mark.parametrize(
    ("verbs", "phase", "asked", "then"),
    [
        ("restart", Phase.REPLACING, 1, Phase.DUE),
        ("drain", Phase.DRAINING, 1, Phase.DRAINED),
        ("stop", Phase.STOPPING, 1, Phase.STOPPING),
        ("restart restart", Phase.REPLACING, 1, Phase.DUE),
        ("restart drain", Phase.DRAINING, 1, Phase.DRAINED),
        ("drain restart", Phase.REPLACING, 1, Phase.DUE),
        ("drain stop", Phase.STOPPING, 2, Phase.STOPPING),
        ("stop restart", Phase.STOPPING, 1, Phase.STOPPING),
        ("stop drain", Phase.STOPPING, 1, Phase.STOPPING),
        ("", Phase.UP, 0, Phase.DUE),
    ],
)
def test_process_is_asked_once_and_followed_if_it_is_to_be(
    child: Sleeper, verbs: str, phase: Phase, asked: int, then: Phase
) -> None:
    child.spawn()
    child.now_serves()

    for verb in verbs.split():
        getattr(child, verb)()
    found, serves = child.phase, child.is_ready
    child.end()

    assert (found, serves, child.asked) == (phase, True, [signal.SIGTERM] * asked)
    assert (child.phase, child.is_ready, child.is_due(7.0)) == (then, False, then is Phase.DUE)


@pytest.mark.parametrize(
    ("verbs", "phase"),
    [("", Phase.DUE), ("drain", Phase.DRAINED), ("drain restart", Phase.DUE), ("restart", Phase.DUE)],
)
def test_without_a_process_there_is_nobody_to_ask(child: Sleeper, verbs: str, phase: Phase) -> None:
    for verb in verbs.split():
        getattr(child, verb)()

    assert (child.phase, child.asked, child.is_due(0.0)) == (phase, [], phase is Phase.DUE)


def test_restart_does_not_wait_for_a_delay(child: Sleeper) -> None:
    child.spawn()
    child.end(restart_at_s=1000.0)
    waits = not child.is_due(999.0)

    child.restart()

    assert waits and child.is_due(999.0)


def test_process_that_becomes_ready_while_it_leaves_still_leaves(child: Sleeper) -> None:
    child.spawn()
    child.drain()
    child.now_serves()

    assert (child.phase, child.is_ready, child.has_served) == (Phase.DRAINING, True, True)


def test_next_process_has_nothing_of_the_last(child: Sleeper) -> None:
    child.spawn()
    child.now_serves()
    child.restart()
    child.end()

    child.spawn()

    assert (child.phase, child.is_ready, child.has_served) == (Phase.UP, False, True)
