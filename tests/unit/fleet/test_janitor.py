"""The janitor: what it sends, and when."""

from collections.abc import Iterable

import pytest

from athena.fleet.janitor import THOROUGH_S, Janitor, max_attempts, queues_of
from athena.fleet.view import FleetView
from athena.fleet.worker_entry import WorkerEntry
from athena.protocol.interface import Interface, Limits
from athena.store.scripts import FENCE, SWEEP, Command

ECHO = Interface("echo", "v1", "", (), (), (), ("T4G16", "cpu"), True, Limits(max_attempts=5))


@pytest.fixture
def fleet() -> FleetView:
    fleet = FleetView(60, 0)
    fleet.learn(ECHO)
    return fleet


@pytest.fixture
def janitor(fleet: FleetView) -> Janitor:
    return Janitor(fleet, record_ttl_s=60, dead_ttl_s=90)


def scripts(commands: Iterable[Command]) -> list[str]:
    return [{FENCE.sha: "fence", SWEEP.sha: "sweep"}[str(command[1])] for command in commands]


def show(fleet: FleetView, now_s: float, beat: int) -> None:
    entry = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
    fleet.observe(now_s, {b"w1": entry.encode()}, {b"w1": str(beat).encode()})


def test_each_ability_is_swept_each_second(janitor: Janitor) -> None:
    assert scripts(command for command, _ in janitor.commands(10)) == ["sweep"]
    assert scripts(command for command, _ in janitor.commands(10.5)) == []
    assert scripts(command for command, _ in janitor.commands(11)) == ["sweep"]


def test_sweep_names_all_queues_and_counts_now_and_then(janitor: Janitor) -> None:
    thorough = []
    for now_s in (0, 1, THOROUGH_S - 1, THOROUGH_S):
        ((command, death),) = janitor.commands(now_s)
        assert death is None
        assert {"echo.T4G16", "echo.cpu", "echo.any"} < set(command[3:12])
        thorough.append(command[15])

    assert thorough == ["1", "0", "0", "1"]


def test_silent_worker_is_fenced_with_the_limits_of_its_ability(fleet: FleetView, janitor: Janitor) -> None:
    for second in range(7):
        show(fleet, second, 1)
    fence, death = janitor.commands(6)[0]
    assert death is not None

    assert scripts([fence]) == ["fence"]
    assert fence[3] == "w1"
    assert fence[4] == "echo.cpu.0@host and its supervisor fell silent"
    assert fence[6:8] == (5, 90_000)
    # Nobody knows which of its jobs ran, and it is left alone if it has beaten again meanwhile.
    assert fence[10:] == ("0", 1, "echo", "cpu", "silent", "echo.cpu.0@host")


def test_beating_worker_is_left_alone(fleet: FleetView, janitor: Janitor) -> None:
    for second in range(20):
        show(fleet, second, second)

    assert scripts(command for command, _ in janitor.commands(19)) == ["sweep"]


def test_unknown_ability_has_the_ordinary_limits() -> None:
    assert max_attempts(None) == Limits().max_attempts
    assert max_attempts(ECHO) == 5


def test_queues_are_those_of_all_types_and_any() -> None:
    assert [name for name in queues_of(ECHO) if name.count(".") == 1] == [
        "echo.T4G16",
        "echo.cpu",
        "echo.any",
    ]
    assert [name for name in queues_of(ECHO) if name.startswith("echo.cpu")] == [
        "echo.cpu",
        "echo.cpu.high",
        "echo.cpu.low",
    ]
