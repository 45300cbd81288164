from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import median_ratio, per_request_us, percentile, shown, spread

NUMBERS = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


def test_percentiles_are_values_by_nearest_rank() -> None:
    values = [float(value) for value in range(1, 101)]

    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile(values, 100) == 100
    assert percentile([7.0], 99) == 7


@given(NUMBERS, st.integers(1, 100))
def test_a_percentile_is_not_exceeded_by_so_many(values: list[float], share: int) -> None:
    found = percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) * 100 >= share * len(values)


@given(NUMBERS)
def test_the_order_of_values_does_not_matter(values: list[float]) -> None:
    assert percentile(values, 99) == percentile(list(reversed(values)), 99)


def test_ratios_are_taken_within_each_round() -> None:
    # The machine was half as fast in the second round; the ratio is the same in all three.
    assert median_ratio([200.0, 100.0, 200.0], [100.0, 50.0, 100.0]) == 2.0
    assert median_ratio([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == 2.0


def test_ratios_need_as_many_rounds_on_both_sides() -> None:
    with pytest.raises(ValueError):
        median_ratio([1.0], [1.0, 2.0])


def test_the_spread_is_a_share_of_the_median() -> None:
    assert spread([90.0, 100.0, 130.0]) == pytest.approx(40 / median([90, 100, 130]))
    assert spread([0.0, 0.0]) == 0.0


def test_processor_time_counts_parts_that_came_and_not_those_that_went() -> None:
    before = {"gateway": 1.0, "gone": 5.0}
    after = {"gateway": 1.5, "new": 0.25}

    assert per_request_us(before, after, 1000) == {"gateway": 500.0, "new": 250.0}


def test_processor_time_is_never_below_nothing() -> None:
    # A child ended and took its time with it.
    assert per_request_us({"server": 2.0}, {"server": 1.0}, 10) == {"server": 0.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0.1234, "0.12"), (12.34, "12.3"), (123.4, "123"), (12345.6, "12,346")],
)
def test_numbers_are_shown_with_the_digits_that_mean_something(value: float | None, text: str) -> None:
    assert shown(value) == text
