"""Two builds side by side: the ratios are those within a round."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks.drawing.plots import plots_of_builds
from benchmarks.drawing.spans import Span, ratio_axis, span_chart
from benchmarks.ratios import GOALS, Goal, ratio_table, ratios
from benchmarks.report import origin, sheet
from benchmarks.results import Result, load, save

SVG = "{http://www.w3.org/2000/svg}"


def made(rounds: list[tuple[float, float]]) -> Result:
    result = Result("builds_noop")
    for old, new in rounds:
        result.add("old", {"clients": 64}, {"cpu_us": old, "cpu_us.redis": old / 4})
        result.add("new", {"clients": 64}, {"cpu_us": new, "cpu_us.redis": new / 2})
    return result


def test_ratio_is_the_median_of_those_within_a_round() -> None:
    # The machine got three times slower after the first round, for both.
    text = ratio_table(made([(100, 90), (300, 270), (320, 288)]))

    assert "| 64 clients | CPU µs/request | 300 | 270 | 0.900 | 0% | ≤ 0.7 |" in text
    assert "| 64 clients | CPU µs/request of redis | 75.0 | 135 | 1.800 | 0% |  |" in text


def test_figure_that_only_one_build_has_is_left_out() -> None:
    result = made([(100, 90)])
    result.add("new", {"clients": 64}, {"cpu_us": 90})

    assert "CPU µs/request |" not in ratio_table(result)


def test_round_in_which_one_build_answered_nobody_is_left_out() -> None:
    result = made([(100, 90)])
    result.add("old", {"clients": 64}, {"rate": 0})
    result.add("new", {"clients": 64}, {"rate": 5, "cpu_us": 900, "cpu_us.redis": 9})
    result.add("old", {"clients": 64}, {"rate": 10, "cpu_us": 200})
    result.add("new", {"clients": 64}, {"rate": 20, "cpu_us": 160})

    rows = {one.figure: one.rounds for one in ratios(result)}

    assert (rows["cpu_us"], rows["rate"]) == ([0.9, 0.8], [2])


def test_latency_above_redis_is_taken_within_each_round() -> None:
    result = Result("builds_noop")
    for name, over in (("old", 1.0), ("new", 0.4)):
        for floor in (0.2, 0.6, 0.3):
            figures = {"p50_ms": floor + over, "redis_2_trips_p50_ms": floor}
            result.add(name, {"clients": 1}, figures)

    rows = {one.figure: one for one in ratios(result)}

    assert round(rows["p50_above_redis_ms"].middle, 6) == 0.4
    assert rows["p50_above_redis_ms"].goal("builds_noop") == GOALS[0]
    assert "| 1 client | p50 above two Redis trips, ms | 1.00 | 0.40 | 0.400 |" in ratio_table(result)


def test_more_is_better_of_requests_alone() -> None:
    assert (Goal("medium", 64, "rate", 1.2).text, Goal("noop", 1, "cpu_us", 0.5).text) == ("≥ 1.2", "≤ 0.5")


def test_a_file_of_builds_tells_both_commits_and_has_a_table_and_a_plot(tmp_path: Path) -> None:
    result = made([(100, 90), (100, 80)])
    result.about = {"date": "2026-01-02", "commit": "bbb", "old_commit": "aaa", "rounds": 2, "seconds": 1}

    read = load(save(result, tmp_path))

    assert (tmp_path / "builds_noop.json").exists()
    assert "commit bbb beside aaa" in origin(read)
    assert ratio_table(read) in sheet(read)
    assert list(plots_of_builds([read])) == ["builds.svg"]
    assert plots_of_builds([Result("noop")]) == {}


def test_span_has_its_rounds_its_median_and_its_goal() -> None:
    root = ElementTree.fromstring(span_chart("a < b", [Span("row", [0.4, 0.6], 0.5, True, goal=0.7)]))

    dots = [float(one.get("cx", "")) for one in root.findall(f"{SVG}circle")]
    lines = [(float(one.get("x1", "")), float(one.get("x2", ""))) for one in root.findall(f"{SVG}line")]
    marks = [float(one.get("x", "")) + 1.5 for one in root.findall(f"{SVG}rect") if one.get("x")]
    assert any(start < dots[-1] < end < marks[-1] for start, end in lines)
    assert "0.50" in [one.text for one in root.findall(f"{SVG}text")]


def test_axis_of_ratios_holds_all_of_them_and_1() -> None:
    assert ratio_axis([0.6, 0.9]).ticks == [0.5, 0.7, 1.0, 1.5]
    assert ratio_axis([0.13, 2.4]).ticks == [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0]
