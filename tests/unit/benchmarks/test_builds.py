"""Two builds side by side: the ratios are those within a round."""

import pytest

from benchmarks.builds import install, parse, table
from benchmarks.results import Result


def made(rounds: list[tuple[float, float]]) -> Result:
    result = Result("noop")
    for old, new in rounds:
        result.add("old", {"clients": 64}, {"cpu_us": old, "cpu_us.redis": old / 4})
        result.add("new", {"clients": 64}, {"cpu_us": new, "cpu_us.redis": new / 2})
    return result


def test_ratio_is_the_median_of_those_within_a_round() -> None:
    # The machine got three times slower after the first round, for both.
    text = table(made([(100, 90), (300, 270), (320, 288)]))

    assert "| 64 clients | cpu_us | 300 | 270 | 0.900 | 0% |" in text
    assert "| 64 clients | cpu_us.redis | 75.0 | 135 | 1.800 | 0% |" in text


def test_figure_that_only_one_build_has_is_left_out() -> None:
    result = made([(100, 90)])
    result.add("new", {"clients": 64}, {"cpu_us": 90})

    assert "cpu_us " not in table(result)


def test_the_old_revision_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse([])
    assert "--old" in capsys.readouterr().err


def test_revision_that_does_not_exist_is_named() -> None:
    with pytest.raises(SystemExit, match="no revision 'nothing-like-it'"):
        install("old", "nothing-like-it")
