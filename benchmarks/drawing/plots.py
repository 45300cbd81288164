"""Which charts a scenario has."""

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.drawing.charts import Axis, Points, line_chart, linear_axis, log_axis, stacked_bars
from benchmarks.drawing.spans import Span, span_chart
from benchmarks.ratios import GOALS, PREFIX, figure_text, load_text, ratios
from benchmarks.results import Result

#: The load at which processor time is compared.
COMPARED = {"clients": 64}


def plots_of(result: Result) -> dict[str, str]:
    """Returns a scenario's charts by the names of their files."""
    if result.scenario == "sweep":
        return {
            "sweep-throughput.svg": _throughput(result),
            "sweep-p99.svg": _latency(result, "p99_ms", "clients", "p99 of a request that does nothing"),
        }
    if result.scenario == "noop":
        return {"noop-cpu.svg": _processor_time(result)}
    if result.scenario == "openloop":
        return {
            "openloop-p50.svg": _latency(result, "p50_ms", "wanted", "p50 at a fixed rate of arrivals"),
            "openloop-p99.svg": _latency(result, "p99_ms", "wanted", "p99 at a fixed rate of arrivals"),
        }
    return {}


#: What is shown of two builds, beside the figures that have a goal: scenario, load, figure.
ALSO = (("noop", 64, "rate"), ("noop", 1000, "rate"), ("batch", 64, "rate"))

SCENARIOS = {
    "noop": "does nothing",
    "medium": "48 KiB",
    "pictures": "2 MB",
    "batch": "batch model",
    "openloop": "open loop",
    "rest": "nobody calls",
}


def plots_of_builds(results: Sequence[Result]) -> dict[str, str]:
    """Returns the chart of what two builds show beside each other, which has rows of several scenarios."""
    found = {one.scenario.removeprefix(PREFIX): one for one in results if one.scenario.startswith(PREFIX)}
    spans = list(_spans(found))
    return {"builds.svg": span_chart("A build beside an earlier one", spans)} if spans else {}


def _spans(results: Mapping[str, Result]) -> Iterator[Span]:
    shown = {(one.scenario, one.load, one.figure): one.ratio for one in GOALS}
    rows = sorted({*shown, *ALSO}, key=lambda row: (list(SCENARIOS).index(row[0]), row))
    for scenario, value, figure in rows:
        for one in ratios(results[scenario]) if scenario in results else ():
            if (next(iter(one.load.values())), one.figure) != (value, figure):
                continue
            label = f"{SCENARIOS[scenario]}, {load_text(one.load)}: {figure_text(figure)}"
            is_better = one.middle > 1 if figure == "rate" else one.middle < 1
            yield Span(label, one.rounds, one.middle, is_better, shown.get((scenario, value, figure)))


def _lines(result: Result, across: str, up: str) -> dict[str, Points]:
    """Returns a figure over a load or another figure, by contestant."""
    lines: dict[str, Points] = {}
    for name in result.contestants():
        points = []
        for at in result.loads():
            series = result.find(name, at)
            if series is None:
                continue
            here, value = at.get(across, series.median(across)), series.median(up)
            if here is not None and value is not None:
                points.append((here, value))
        lines[name] = points
    return lines


def _throughput(result: Result) -> str:
    lines = _lines(result, "clients", "rate")
    highest = max(value for points in lines.values() for _, value in points)
    up = linear_axis("requests/s", highest)
    return line_chart("A request that does nothing", _clients(result), up, lines)


def _latency(result: Result, figure: str, across: str, title: str) -> str:
    lines = _lines(result, across, figure)
    up = log_axis("ms", [value for points in lines.values() for _, value in points])
    highest = max(here for points in lines.values() for here, _ in points)
    along = _clients(result) if across == "clients" else linear_axis("arrivals per second", highest)
    return line_chart(title, along, up, lines)


def _clients(result: Result) -> Axis:
    return Axis("clients", [at["clients"] for at in result.loads()], is_log=True)


def _processor_time(result: Result) -> str:
    bars = {}
    for name in result.contestants():
        if series := result.find(name, COMPARED):
            bars[name] = series.parts("cpu_us.")
    highest = max(sum(bar.values()) for bar in bars.values())
    title = "Processor time of a request that does nothing, 64 clients"
    return stacked_bars(title, linear_axis("µs of CPU", highest), bars)
