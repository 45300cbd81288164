"""What a soak says of processes and answers."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.deaths import KILLED, End
from tests.soak.load import Load
from tests.soak.processes import Reading, Sample, table
from tests.soak.report import JUDGED_S, Report


def sample(pid: int = 7, role: str = "gateway", pss_mb: float = 50, **changes: float) -> Sample:
    """Returns what a process takes."""
    files, threads, cpu_s = (changes.get(name, 10) for name in ("files", "threads", "cpu_s"))
    return Sample(pid, role, 60, pss_mb, int(files), int(threads), cpu_s)


def readings(*samples: Sample | None, every_s: float = JUDGED_S) -> list[Reading]:
    """Returns one process as it was at three times."""
    return [Reading(number * every_s, {one.pid: one} if one else {}) for number, one in enumerate(samples)]


def report(found: list[Reading], *ends: End, statuses: str = "", wrong: str = "") -> Report:
    """Returns the report of a load with one answer."""
    load = Load("http://127.0.0.1", 1, 1, Path("picture.jpg"), random.Random(1))
    tally = load._tally("echo")
    tally.note(200, 0.5, 3.0)
    tally.wrong = Counter({wrong: 2} if wrong else {})
    return Report.of(load, found, ends, seconds=10)


@pytest.mark.parametrize(
    ("after", "grown"),
    [
        (sample(pss_mb=60), False),
        (sample(pss_mb=70), True),
        (sample(files=25), False),
        (sample(files=40), True),
        (sample(threads=40), True),
    ],
)
def test_process_has_grown_that_takes_clearly_more(after: Sample, grown: bool) -> None:
    assert after.has_grown(sample()) is grown


def test_growth_is_judged_of_long_runs_alone() -> None:
    grows = (sample(), sample(), sample(pss_mb=90))

    assert report(readings(*grows)).grown == ("gateway",)
    assert report(readings(*grows, every_s=60)).is_good


def test_table_shows_each_process_at_three_times() -> None:
    lines = table(readings(sample(cpu_s=1), sample(cpu_s=2, pss_mb=51), None, every_s=10))

    assert lines[1].split("  ")[0] == "gateway"
    assert "50 / 51 / -" in lines[1]
    assert lines[1].endswith("10.0 / -")


def test_good_run_is_good() -> None:
    found = report(readings(sample(), sample(), sample()))

    assert found.is_good
    assert "worker deaths   0" in found.text()


@pytest.mark.parametrize("wrong", ["500 text", "another text"])
def test_answer_that_a_request_may_not_get_is_shown(wrong: str) -> None:
    found = report(readings(sample(), sample(), sample()), wrong=wrong)

    assert not found.is_good
    assert found.server_errors == (2 if wrong.startswith("5") else 0)
    assert f"2 x echo: {wrong}" in found.text()


def test_process_that_ended_fails_the_run() -> None:
    alive = readings(sample(), sample(), sample())

    assert not report(alive, End("serve", "worker", KILLED, 1)).is_good
    assert report(readings(sample(), sample(), sample(pid=8))).gone == ("gateway",)
