"""When a caller of a full queue is told to come again."""

import pytest

from api.gateway.throughput import STANDSTILL_S, WINDOW_S, Throughput


def measured(*readings: tuple[float, int]) -> Throughput:
    throughput = Throughput()
    for now_s, ended in readings:
        throughput.observe(now_s, ended)
    return throughput


@pytest.mark.parametrize(
    ("readings", "rate"),
    [
        ([], 0),
        ([(0, 50)], 0),
        ([(0, 50), (10, 150)], 10),
        ([(0, 50), (10, 50)], 0),
        ([(0, 0), (100, 1000), (110, 1020)], 2),
        ([(0, 5000), (1, 0), (2, 3)], 3),
    ],
    ids=[
        "nothing",
        "one reading",
        "a rate",
        "standstill",
        "old readings count no more",
        "counter began anew",
    ],
)
def test_rate_is_that_of_the_last_half_minute(readings: list[tuple[float, int]], rate: float) -> None:
    assert measured(*readings).rate == rate


def test_window_is_what_it_says() -> None:
    assert measured((0, 0), (WINDOW_S, 30), (WINDOW_S + 1, 60)).rate == 30


@pytest.mark.parametrize(("depth", "seconds"), [(5, 1), (100, 10), (101, 11), (100_000, STANDSTILL_S)])
def test_wait_is_the_depth_divided_by_the_rate(depth: int, seconds: int) -> None:
    assert measured((0, 0), (1, 10)).retry_after_s(depth) == seconds


def test_standstill_is_said_to_last() -> None:
    assert Throughput().retry_after_s(1) == STANDSTILL_S
