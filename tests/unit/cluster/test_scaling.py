"""What is said of pods over time, and what a day of load is made of."""

import pytest

from tests.cluster.bursts import DAY, HOUR_S, arrivals, draw
from tests.cluster.timeline import Moment, turns


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([], 0),
        ([0, 0, 0], 0),
        ([0, 1, 4, 4], 0),
        ([0, 1, 4, 4, 2, 0], 1),
        ([0, 4, 3, 4, 0], 3),
        ([4, 0, 0, 4], 1),
    ],
)
def test_pods_flap_as_often_as_their_number_turns(counts: list[int], expected: int) -> None:
    assert turns(counts) == expected


def test_a_day_has_the_jobs_of_its_hours_in_their_order() -> None:
    found = arrivals((0, 50, 0, 100), hour_s=10, seed=1)

    times = [one.at_s for one in found]
    assert times == sorted(times)
    by_hour = [sum(hour * 10 <= at < hour * 10 + 10 for at in times) for hour in range(4)]
    assert by_hour[0] == by_hour[2] == 0
    assert 400 < by_hour[1] < 600 and 850 < by_hour[3] < 1150
    assert found == arrivals((0, 50, 0, 100), hour_s=10, seed=1)
    assert found != arrivals((0, 50, 0, 100), hour_s=10, seed=2)


def test_picture_ends_with_the_day() -> None:
    end_s = len(DAY) * HOUR_S
    day = [Moment(at_s, int(at_s), 3.0, 2, 1.0) for at_s in (0.0, 60.0, end_s)]
    after = Moment(end_s + 5, 5000, 4000.0, 4, 4.0)

    assert draw([*day, after]) == draw(day)
    assert "no data" not in draw(day)
