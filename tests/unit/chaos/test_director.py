"""Who follows a plan of faults: what it makes, what it notes of each, and when it ends."""

import time
from math import inf
from pathlib import Path
from typing import Any, cast

from tests.chaos.director import Director, Outcomes
from tests.chaos.faults import Faults
from tests.chaos.history import History, read_lines
from tests.chaos.schedule import Planned
from tests.chaos.stage import Stage


class FakeFaults:
    """Takes its time; the second one is never whole again."""

    def __init__(self, takes_s: float) -> None:
        self._takes_s = takes_s

    def run(self, name: str, seed: int) -> float:
        """Makes one."""
        time.sleep(self._takes_s)
        if seed == 2:
            raise TimeoutError("not within 60 s: all is whole")
        return self._takes_s


class FakeStage:
    """Has no processes."""

    def pids(self) -> dict[str, list[int]]:
        """Nobody."""
        return {}


def follow(path: Path, takes_s: float, span_s: float) -> tuple[Outcomes, list[dict[str, Any]]]:
    """Returns what came of four faults that are all due at once, and the lines about them."""
    plan = [Planned(number, 0.0, "redis killed", number) for number in range(1, 5)]
    with History(path) as history:
        faults, stage = cast(Faults, FakeFaults(takes_s)), cast(Stage, FakeStage())
        outcomes = Director(stage, faults, history, 1).follow(plan, span_s)
    return outcomes, list(read_lines(path))


def test_what_was_never_whole_again_is_not_noted_as_mended(tmp_path: Path) -> None:
    outcomes, lines = follow(tmp_path / "history", 0.0, inf)

    assert outcomes.stuck == ["redis killed: not within 60 s: all is whole"]
    assert [line["number"] for line in lines if line["is"] == "fault"] == [1, 2, 3, 4]
    assert [line["number"] for line in lines if line["is"] == "mended"] == [1, 3, 4]


def test_faults_that_come_too_late_are_left_out(tmp_path: Path) -> None:
    outcomes, lines = follow(tmp_path / "history", 0.2, 0.1)

    assert [line["number"] for line in lines if line["is"] == "fault"] == [1]
    assert outcomes.left_out == 3
