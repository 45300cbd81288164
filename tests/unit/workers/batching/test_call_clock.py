"""When a worker looks for the jobs of its next call."""

import pytest

from workers.batching.call_clock import PREPARE_S, REFILL_S, REFILL_SHARE, SHORT_S, CallClock


def clock_of(*calls_s: float) -> CallClock:
    clock = CallClock()
    for took_s in calls_s:
        clock.begin(100.0)
        clock.end(100.0 + took_s)
    return clock


def test_idle_worker_looks_at_once() -> None:
    clock = clock_of(1.0)

    assert not clock.is_running
    assert clock.until_refill_s(5.0) == 0


def test_first_call_is_of_unknown_length() -> None:
    clock = CallClock()
    clock.begin(10.0)

    assert clock.is_running
    assert clock.until_refill_s(10.0) == 0


@pytest.mark.parametrize("length_s", [0.2, 1.0, 30.0])
def test_worker_looks_shortly_before_its_call_is_over(length_s: float) -> None:
    clock = clock_of(length_s)
    clock.begin(50.0)

    wait_s = clock.until_refill_s(50.0)

    assert wait_s == pytest.approx(length_s - max(REFILL_S, length_s * REFILL_SHARE))
    assert clock.until_refill_s(50.0 + wait_s) == pytest.approx(0)
    assert clock.until_refill_s(50.0 + 2 * length_s) == 0


def test_short_calls_are_no_reason_to_wait() -> None:
    clock = clock_of(REFILL_S)
    clock.begin(50.0)

    assert clock.until_refill_s(50.0) == 0


def test_guess_follows_the_calls() -> None:
    clock = clock_of(1.0, *[3.0] * 30)

    assert clock.typical_s == pytest.approx(3.0, rel=0.01)


def test_end_without_a_beginning_is_ignored() -> None:
    clock = CallClock()
    clock.end(10.0)

    assert clock.typical_s == 0


def test_calls_of_unknown_length_are_neither_short_nor_leave_time() -> None:
    clock = CallClock()

    assert (clock.is_short, clock.leaves_time) == (False, False)


@pytest.mark.parametrize(
    ("took_s", "is_short", "leaves_time"),
    [(SHORT_S / 2, True, False), (2 * SHORT_S, False, False), (2 * PREPARE_S, False, True)],
)
def test_calls_are_short_or_leave_time_or_neither(took_s: float, is_short: bool, leaves_time: bool) -> None:
    clock = clock_of(took_s)

    assert (clock.is_short, clock.leaves_time) == (is_short, leaves_time)
