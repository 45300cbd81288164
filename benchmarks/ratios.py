"""What two builds of this project show beside each other: figures, ratios within a round, their goals."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.contestants import BUILDS
from benchmarks.figures import median_ratio, shown, spread
from benchmarks.results import Load, Result

OLD, NEW = BUILDS

#: What the scenarios of `make bench-builds` are called in files, so that they stand beside those of peers.
PREFIX = "builds_"

FIGURES = {
    "rate": "requests/s",
    "p50_ms": "p50 ms",
    "p50_above_redis_ms": "p50 above two Redis trips, ms",
    "p99_ms": "p99 ms",
    "cpu_us": "CPU µs/request",
    "memory_mb": "memory MB",
    "idle_cpu_ms_per_s": "CPU at rest, ms/s",
}

LOADS = {"share": "of capacity"}


@dataclass(frozen=True)
class Goal:
    """What a figure's ratio new ÷ old was to be: at most `ratio`, or at least where more is better."""

    scenario: str
    load: float
    figure: str
    ratio: float

    @property
    def text(self) -> str:
        """What the goal is, in a word."""
        return f"{'≥' if self.figure == 'rate' else '≤'} {self.ratio:g}"


GOALS = (
    Goal("noop", 1, "p50_above_redis_ms", 0.5),
    Goal("noop", 1, "cpu_us", 0.5),
    Goal("noop", 64, "cpu_us", 0.7),
    Goal("openloop", 0.5, "p50_ms", 0.35),
    Goal("openloop", 0.5, "p99_ms", 0.6),
    Goal("medium", 64, "rate", 1.2),
    Goal("pictures", 32, "cpu_us", 0.8),
    Goal("rest", 2, "memory_mb", 0.7),
    Goal("rest", 2, "idle_cpu_ms_per_s", 0.5),
)


@dataclass(frozen=True)
class Ratio:
    """A figure of both builds under one load, round by round."""

    load: Load
    figure: str
    old: Sequence[float]
    new: Sequence[float]

    @property
    def rounds(self) -> list[float]:
        """The ratios new ÷ old within each round."""
        return [mine / theirs for mine, theirs in zip(self.new, self.old, strict=True)]

    @property
    def middle(self) -> float:
        """The median of the ratios."""
        return median_ratio(self.new, self.old)

    def goal(self, scenario: str) -> Goal | None:
        """Returns what the ratio was to be in a scenario, if that was said."""
        value = next(iter(self.load.values()))
        named = (scenario.removeprefix(PREFIX), value, self.figure)
        return next((one for one in GOALS if (one.scenario, one.load, one.figure) == named), None)


def ratios(result: Result) -> Iterator[Ratio]:
    """Yields the figures that both builds have, in the order in which they are shown."""
    for load in result.loads():
        for figure in (*FIGURES, *sorted(_part_figures(result, load))):
            pairs = list(_pairs(result, load, figure))
            if pairs:
                yield Ratio(load, figure, [old for old, _ in pairs], [new for _, new in pairs])


def ratio_table(result: Result) -> str:
    """Returns the medians of both builds and of the ratios new ÷ old within each round, as Markdown."""
    lines = [
        "| load | figure | old | new | new ÷ old | spread of the ratio | goal |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for one in ratios(result):
        goal = one.goal(result.scenario)
        cells = [load_text(one.load), figure_text(one.figure), shown(median(one.old)), shown(median(one.new))]
        cells += [f"{one.middle:.3f}", f"{spread(one.rounds):.0%}", goal.text if goal else ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def load_text(load: Load) -> str:
    """Returns what a load is called: "64 clients"."""
    name, value = next(iter(load.items()))
    plain = name.removesuffix("s") if value == 1 else name
    return f"{value:g} {LOADS.get(name, plain)}"


def figure_text(figure: str) -> str:
    """Returns what a figure is called, and whose it is."""
    if figure.startswith("cpu_us."):
        return f"CPU µs/request of {figure.removeprefix('cpu_us.')}"
    return FIGURES[figure]


def _part_figures(result: Result, load: Load) -> set[str]:
    """Returns the names of the figures of single processes."""
    both = filter(None, (result.find(name, load) for name in BUILDS))
    return {key for series in both for item in series.rounds for key in item if key.startswith("cpu_us.")}


def _pairs(result: Result, load: Load, figure: str) -> Iterator[tuple[float, float]]:
    """Yields a figure of both builds for each round in which both have it: without answers there are few."""
    old, new = result.find(OLD, load), result.find(NEW, load)
    if old is None or new is None or len(old.rounds) != len(new.rounds):
        return
    for theirs, mine in zip(old.rounds, new.rounds, strict=True):
        one, other = _value(theirs, figure), _value(mine, figure)
        if one and other is not None:
            yield one, other


def _value(figures: Mapping[str, float], name: str) -> float | None:
    if name != "p50_above_redis_ms":
        return figures.get(name)
    p50_ms, bare_ms = figures.get("p50_ms"), figures.get("redis_2_trips_p50_ms")
    return None if p50_ms is None or bare_ms is None else p50_ms - bare_ms
