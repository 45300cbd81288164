"""What happened between two overviews."""

from dataclasses import replace
from math import inf

import pytest

from athena.devices.inventory import Inventory
from athena.fleet.host_report import HostReport, WorkerStatus
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.overview import Overview
from athena.operations.queues import WorkerState
from athena.operations.rates import AbilityRates, Pulse, ability_rates, bad_ends, worker_states
from athena.store.books.counts import Counts, Queue, Spread, Survey

NOW_S = 1_800_000_000.0
ENTRY = WorkerEntry("w1", "ocr.cpu.0@host", "ocr", "v1", "cpu", 4)
WORKER = WorkerState(ENTRY, 3, 7, "")
SERVING = WorkerStatus("ocr.cpu.0@host", "ocr", "cpu", "", "serving")
HOST = HostReport("host", int(NOW_S * 1000), int(NOW_S * 1000), Inventory(), (), (SERVING,))


def survey(
    ended: dict[tuple[str, ...], int], times: dict[float, int] | None = None, submitted: int = 0
) -> Survey:
    counts = Counts({"end": ended}, {"total": {"cpu": Spread(times or {}, 0.0)}})
    queues = (Queue("ocr.any", 5, 2.5, False, submitted), Queue("ocr.cpu", 1, 9.0, True, 0))
    return Survey("ocr", counts, queues, 9, 2, 0, 0)


def overview(at_s: float, *surveys: Survey) -> Overview:
    return Overview(at_s, {}, (), 0, surveys, (WORKER,), (), (HOST,))


def rates(before: Survey | None, now: Survey, passed_s: float = 2.0) -> AbilityRates:
    earlier = overview(NOW_S - passed_s, *([before] if before else []))
    [found] = ability_rates(earlier, overview(NOW_S, now))
    return found


def test_jobs_that_ended_in_between_are_counted() -> None:
    before = survey({("succeeded", "cpu"): 10, ("failed", "cpu"): 1, ("canceled", ""): 5}, submitted=20)
    now = survey(
        {("succeeded", "cpu"): 30, ("succeeded", "T4G16"): 4, ("failed", "cpu"): 3, ("canceled", ""): 6},
        submitted=50,
    )

    found = rates(before, now)

    assert (found.submitted_per_s, found.done_per_s, found.failed_per_s) == (15.0, 13.5, 1.0)


def test_what_is_there_now_is_told() -> None:
    found = rates(None, survey({}))

    assert (found.queued, found.oldest_s, found.running, found.slots, found.put_off) == (6, 9.0, 3, 4, 2)
    assert found.load == (6 + 3) / 4
    assert found.is_paused
    assert replace(found, slots=0).load is None


def test_ability_that_was_forgotten_and_is_served_anew_has_no_negative_rates() -> None:
    found = rates(survey({("failed", "cpu"): 9}, {5.0: 9}, 40), survey({("failed", "cpu"): 1}, {5.0: 1}, 2))

    assert (found.submitted_per_s, found.done_per_s, found.failed_per_s) == (0, 0, 0)
    assert found.typical_ms is None


@pytest.mark.parametrize(
    ("before", "now", "typical", "slow"),
    [
        ({}, {}, None, None),
        ({5.0: 7}, {5.0: 7}, None, None),
        ({5.0: 7}, {5.0: 8}, 5.0, 5.0),
        ({}, {5.0: 94, 50.0: 6}, 5.0, 50.0),
        ({}, {5.0: 95, 50.0: 5}, 5.0, 5.0),
        ({5.0: 100}, {5.0: 101, 25.0: 3, inf: 1}, 25.0, inf),
    ],
)
def test_times_are_those_of_jobs_that_ended_in_between(
    before: dict[float, int], now: dict[float, int], typical: float | None, slow: float | None
) -> None:
    found = rates(survey({}, before), survey({}, now))

    assert (found.typical_ms, found.slow_ms) == (typical, slow)


def test_bad_ends_leave_out_what_callers_wanted() -> None:
    ended: dict[tuple[str, ...], int] = {
        ("failed", "cpu"): 1,
        ("timed_out", ""): 2,
        ("poisoned", "cpu"): 4,
        ("canceled", ""): 8,
    }

    assert bad_ends(overview(NOW_S, survey({**ended, ("succeeded", "cpu"): 16}))) == 7


def looked(pulse: Pulse, at_s: float, beat: int) -> Overview:
    now = replace(overview(at_s), workers=(replace(WORKER, beat=beat),))
    pulse.look(now)
    return now


def test_worker_is_silent_after_its_heart_has_stood_still() -> None:
    pulse = Pulse()
    now = looked(pulse, NOW_S, 7)
    assert worker_states(now, pulse)[0][4] == "serving"

    looked(pulse, NOW_S + 4, 8)
    assert worker_states(looked(pulse, NOW_S + 9, 8), pulse)[0][4] == "serving"
    assert worker_states(looked(pulse, NOW_S + 9.5, 8), pulse)[0][4] == "silent"
    assert worker_states(looked(pulse, NOW_S + 10, 9), pulse)[0][4] == "serving"


def test_workers_that_are_away_are_told() -> None:
    away = WorkerStatus("ocr.cpu.1@host", "ocr", "cpu", "", "loading")
    host = replace(HOST, workers=(SERVING, away))
    now = replace(
        overview(NOW_S),
        hosts=(host,),
        drained=("old.cpu.0@other",),
        workers=(replace(WORKER, order="drain"),),
    )

    assert worker_states(now, Pulse()) == [
        ("ocr.cpu.0@host", "ocr", "cpu", "3/4", "drain"),
        ("ocr.cpu.1@host", "ocr", "cpu", "", "loading"),
        ("old.cpu.0@other", "old", "", "", "drained"),
    ]


def test_silent_supervisor_tells_nothing_any_more() -> None:
    stale = replace(HOST, told_ms=HOST.told_ms - 60_000, workers=(SERVING, replace(SERVING, name="gone")))

    assert [row[0] for row in worker_states(replace(overview(NOW_S), hosts=(stale,)), Pulse())] == [
        "ocr.cpu.0@host"
    ]
