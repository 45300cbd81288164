"""What came of each fault of a history."""

from tests.chaos.causes import NONE, longest_waits_s, second_runs, text
from tests.chaos.story import Reader
from tests.unit.chaos.forge import Forge, spoiled, well


def test_second_run_is_told_of_the_fault_between_the_two() -> None:
    assert second_runs(Reader().read(well())) == {"worker killed": 1, "host frozen": 1, NONE: 2}


def test_fault_that_touches_workers_comes_before_one_that_does_not() -> None:
    def freeze(forge: Forge) -> None:
        forge.note(11, "fault", fault="redis frozen", number=3, severs=[])
        forge.note(14, "mended", number=3)

    assert second_runs(Reader().read(spoiled(freeze)))["worker killed"] == 1


def test_longest_call_is_told_of_the_fault_that_went_on() -> None:
    waits_s = longest_waits_s(Reader().read(well()))

    assert waits_s == {"worker killed": 1, "host frozen": 9, NONE: 1}


def test_each_fault_has_a_line() -> None:
    lines = [line.split() for line in text(Reader().read(well()))]

    assert ["worker", "killed", "1", "1", "1.0", "s"] in lines
    assert ["host", "frozen", "1", "1", "9.0", "s"] in lines
    assert ["none", "0", "2", "1.0", "s"] in lines
