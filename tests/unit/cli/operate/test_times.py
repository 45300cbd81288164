"""Durations, as operators type and read them."""

import argparse

import pytest

from athena.cli.operate.times import duration_s, took_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("0", 0), ("5s", 5), ("10m", 600), ("10min", 600), ("2 h", 7200), ("1d", 86400)],
)
def test_duration_has_a_unit_or_is_of_seconds(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1.5", "m", "10 years", "1e3", "nan", "9999999"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no duration"):
        duration_s(text)


@pytest.mark.parametrize(
    ("took_ms", "text"),
    [
        (0, "0 ms"),
        (999.4, "999 ms"),
        (1200, "1.2 s"),
        (59_900, "59.9 s"),
        (200_000, "3 min 20 s"),
        (7_500_000, "2 h 5 min"),
    ],
)
def test_duration_is_told_in_the_units_that_tell_it_best(took_ms: float, text: str) -> None:
    assert took_text(took_ms) == text
