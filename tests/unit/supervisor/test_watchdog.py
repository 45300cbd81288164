"""When a worker process is ended from outside."""

import pytest

from athena.fleet.progress_board import Call, Pulse
from athena.supervisor.watchdog import (
    DEAF_AFTER_S,
    HUNG_AFTER_S,
    OVERDUE_GRACE_S,
    Verdict,
    judge_calls,
    judge_canceled,
    judge_pulse,
)

NOW_S = 1000.0


def call(*job_ids: str, for_s: float = 0, limit_s: float = 5) -> Call:
    return Call(NOW_S - for_s, limit_s, job_ids)


def test_call_within_its_limit_goes_on() -> None:
    assert judge_calls(NOW_S, [call("a", for_s=5 + OVERDUE_GRACE_S)]) is None
    assert judge_calls(NOW_S, []) is None


def test_jobs_of_overdue_calls_are_blamed_and_no_others() -> None:
    calls = [call("a", "b", for_s=7), call("c", for_s=1), call("d", for_s=7)]

    verdict = judge_calls(NOW_S, calls)

    assert verdict == Verdict(
        "a call ran longer than 5 s (max_exec_s); its process was ended", ("a", "b", "d"), overran=True
    )


@pytest.mark.parametrize(
    ("canceled_s", "is_ended"),
    [
        ({}, False),
        ({"a": NOW_S - 11}, False),
        ({"a": NOW_S - 11, "b": NOW_S - 9}, False),
        ({"a": NOW_S - 11, "b": NOW_S - 10.1}, True),
        ({"other": NOW_S - 100}, False),
    ],
)
def test_call_is_ended_when_all_its_jobs_were_canceled_for_long(
    canceled_s: dict[str, float], is_ended: bool
) -> None:
    verdict = judge_canceled(NOW_S, [call("a", "b", for_s=3)], canceled_s, grace_s=10)

    assert (verdict is not None) is is_ended
    if verdict is not None:
        assert (verdict.blamed, verdict.overran) == ((), False)


@pytest.mark.parametrize(
    ("pulse", "ready_s", "contact_since_s", "word"),
    [
        (Pulse(NOW_S - 1, NOW_S - 1), 0, 0, ""),
        (Pulse(NOW_S - HUNG_AFTER_S - 1, NOW_S - 1), 0, 0, "loop"),
        (Pulse(NOW_S - 1, NOW_S - DEAF_AFTER_S - 1), 0, 0, "queues"),
        (Pulse(0, 0), NOW_S - 5, 0, ""),
        (Pulse(0, 0), NOW_S - HUNG_AFTER_S - 1, 0, "loop"),
        (Pulse(NOW_S - 100, NOW_S - 100), 0, NOW_S - 5, ""),
        (Pulse(NOW_S - 100, NOW_S - 100), 0, None, ""),
    ],
    ids=["well", "hung", "deaf", "just ready", "never turned", "Redis is just back", "no Redis"],
)
def test_worker_that_hangs_or_is_deaf_is_ended(
    pulse: Pulse, ready_s: float, contact_since_s: float | None, word: str
) -> None:
    verdict = judge_pulse(NOW_S, [], pulse, ready_s, contact_since_s)

    assert (verdict is not None) == bool(word)
    assert word in (verdict.reason if verdict else "")


def test_worker_in_a_call_may_be_silent() -> None:
    assert judge_pulse(NOW_S, [call("a", for_s=100)], Pulse(0, 0), 0, 0) is None
