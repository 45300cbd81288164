import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.drawing.charts import Axis, line_chart, linear_axis, log_axis, stacked_bars
from benchmarks.drawing.plots import plots_of
from benchmarks.harness import ROOT, WrkResult
from benchmarks.results import FOLDER, Result, load, peer_versions, save


def result() -> Result:
    made = Result("noop", about={"date": "2026-01-02", "rounds": 3, "seconds": 3, "machine": {"cores": 2}})
    for rate in (100.0, 300.0, 200.0):
        made.add("mosec", {"clients": 64}, {"rate": rate, "p99_ms": 5.0, "cpu_us.server": 90.0})
        made.add(
            "athena",
            {"clients": 64},
            {"rate": 2 * rate, "p99_ms": 7.0, "cpu_us.gateway": 80.0, "cpu_us": 80.0},
        )
    return made


def test_the_document_and_the_plots_are_what_the_files_say() -> None:
    assert report.stale() == [], "run python -m benchmarks.report"


def test_every_file_of_figures_is_in_the_document() -> None:
    shown = {match[2] for match in report.BLOCK.finditer(report.DOCUMENT.read_text())}

    assert {path.stem for path in FOLDER.glob("*.json")} <= shown


def test_every_plot_is_in_the_document() -> None:
    text = report.DOCUMENT.read_text()

    assert [path.name for path in FOLDER.glob("*.svg") if f"benchmarks/{path.name}" not in text] == []


def test_a_table_has_medians_and_ratios_within_the_rounds() -> None:
    lines = report.table(result()).splitlines()

    assert (
        lines[0] == "| clients | contestant | requests/s | p99 ms | CPU µs/request | Athena ÷ it | spread |"
    )
    assert lines[2] == "| 64 | **athena** | 400 | 7.00 | 80.0 |  | 100% |"
    assert lines[3] == "| 64 | mosec | 200 | 5.00 | - | 2.00 | 100% |"


def test_a_run_of_few_rounds_says_that_it_is_a_try() -> None:
    made = result()

    assert "medians of 3 rounds of 3 s, a try: too few to tell;" in report.origin(made)
    made.about["rounds"] = 5
    assert "medians of 5 rounds of 3 s;" in report.origin(made)


def test_a_result_survives_its_file(tmp_path: Path) -> None:
    path = save(result(), tmp_path)

    assert load(path) == result()


def test_blocks_without_a_file_stay_as_they_are(tmp_path: Path) -> None:
    text = "before\n<!-- measured: noop -->\nold\n<!-- end -->\nafter\n"

    assert report.rendered(text, tmp_path) == text
    save(result(), tmp_path)
    made = report.rendered(text, tmp_path)
    assert "old" not in made and "**athena**" in made
    assert made.startswith("before\n") and made.endswith("<!-- end -->\nafter\n")
    assert report.rendered(made, tmp_path) == made


def test_floors_are_told_with_what_comes_on_top() -> None:
    made = Result("noop")
    made.add("athena", {"clients": 1}, {"p50_ms": 0.7, "redis_2_trips_p50_ms": 0.3})

    assert "p50 0.300 ms; one client of Athena: 0.400 ms more" in report.remarks(made)


def test_charts_are_svg_with_a_line_for_each_contestant() -> None:
    chart = line_chart(
        "a < b",
        Axis("clients", [1, 10, 100], is_log=True),
        linear_axis("rate", 90),
        {"athena": [(1, 5), (100, 90)]},
    )

    root = ElementTree.fromstring(chart)
    lines = root.findall("{http://www.w3.org/2000/svg}polyline")
    assert [line.get("points") for line in lines] == ["74.0,349.9 592.0,76.2"]


def test_bars_are_as_high_as_their_parts_together() -> None:
    root = ElementTree.fromstring(stacked_bars("CPU", linear_axis("µs", 100), {"athena": {"a": 40, "b": 60}}))

    texts = [text.text for text in root.findall("{http://www.w3.org/2000/svg}text")]
    assert "100" in texts and "athena" in texts


@pytest.mark.parametrize(("highest", "last"), [(90, 100), (100, 100), (1001, 1250), (0.3, 0.3), (0, 1e-9)])
def test_axes_reach_beyond_the_highest_value(highest: float, last: float) -> None:
    ticks = linear_axis("", highest).ticks

    assert ticks[0] == 0
    assert ticks[-1] >= highest
    assert ticks[-1] == pytest.approx(last)


def test_logarithmic_axes_have_whole_decades() -> None:
    assert log_axis("ms", [0.4, 350]).ticks == pytest.approx([0.1, 1, 10, 100, 1000])
    assert log_axis("ms", [10]).ticks == [10, 100]


def test_scenarios_have_their_plots() -> None:
    assert list(plots_of(result())) == ["noop-cpu.svg"]


def test_versions_of_the_peers_are_pinned() -> None:
    assert set(peer_versions()) == {"bentoml", "gunicorn", "litserve", "mosec", "ray"}
    for path in (ROOT / "benchmarks" / "peers").glob("*.txt"):
        assert all("==" in line for line in path.read_text().splitlines()), path


WRK = """
  Latency Distribution
     50%    7.70ms
     75%    8.00ms
     90%    9.00ms
     99%    1.02s
  1234 requests in 2.00s, 0.5MB read
{extra}Requests/sec:    617.00
"""


def test_the_load_generators_output_is_read() -> None:
    found = WrkResult(WRK.format(extra=""))

    assert (found.requests, found.rate, found.p50_ms, found.p99_ms) == (1234, 617, 7.7, 1020)


@pytest.mark.parametrize("extra", ["  Non-2xx or 3xx responses: 3\n", "  Socket errors: connect 0, read 1\n"])
def test_any_failed_request_ends_the_run(extra: str) -> None:
    with pytest.raises(SystemExit, match="requests failed"):
        WrkResult(WRK.format(extra=extra))


def test_parts_of_processor_time_are_medians_over_rounds() -> None:
    made: Any = Result("noop")
    for value in (1.0, 3.0, 2.0):
        made.add("athena", {"clients": 1}, {"cpu_us.worker": value})

    assert made.find("athena", {"clients": 1}).parts("cpu_us.") == {"worker": 2.0}
