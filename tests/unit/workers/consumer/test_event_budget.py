"""How many jobs a second Flower is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.consumer.event_budget import EventBudget

#: A monotonic clock starts anywhere.
BOOT_S = 123_456.789


def admitted(budget: EventBudget, now_s: float, jobs: int) -> int:
    """Returns how many of the jobs that come at one moment are shown."""
    return [budget.admits(now_s) for _ in range(jobs)].count(True)


def test_first_jobs_are_shown_up_to_the_budget() -> None:
    assert admitted(EventBudget(50), BOOT_S, 200) == 50


def test_spent_budget_comes_back_with_time() -> None:
    budget = EventBudget(50)
    admitted(budget, BOOT_S, 200)

    shown = [admitted(budget, BOOT_S + seconds, 200) for seconds in (0.01, 0.1, 0.5, 1.5)]

    assert shown == [0, 5, 20, 50]


def test_parts_of_a_job_are_saved_up() -> None:
    budget = EventBudget(2)
    admitted(budget, 0.0, 10)

    shown = [budget.admits(quarter / 4) for quarter in range(1, 9)]

    assert shown == [False, True] * 4


@pytest.mark.parametrize("idle_s", [1, 3600, 1e6])
def test_unused_budget_is_not_saved_beyond_a_second(idle_s: float) -> None:
    budget = EventBudget(50)
    admitted(budget, BOOT_S, 1)

    assert admitted(budget, BOOT_S + idle_s, 1000) == 50


def test_budget_of_nothing_shows_nothing() -> None:
    budget = EventBudget(0)

    assert admitted(budget, BOOT_S, 10) == 0
    assert admitted(budget, BOOT_S + 1e6, 10) == 0


def test_budget_of_one_shows_one_a_second() -> None:
    budget = EventBudget(1)

    shown = [budget.admits(BOOT_S + tenth / 10) for tenth in range(51)]

    assert shown.count(True) in (5, 6)


@given(st.integers(1, 20), st.lists(st.floats(0, 0.5), max_size=100))
def test_no_more_is_shown_than_the_budget_of_the_time_and_one_second(rate: int, pauses: list[float]) -> None:
    budget = EventBudget(rate)
    now_s = BOOT_S
    shown = 0

    for pause_s in pauses:
        now_s += pause_s
        shown += budget.admits(now_s)

    assert shown <= rate * (1 + now_s - BOOT_S) + 1e-3


@given(st.integers(1, 20), st.integers(1, 100))
def test_slow_jobs_are_all_shown(rate: int, jobs: int) -> None:
    budget = EventBudget(rate)

    assert all(budget.admits(BOOT_S + job * (1.001 / rate)) for job in range(jobs))
