"""A chart of ratios as SVG: a line for the rounds, a dot for their median, a mark for the goal."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.drawing.charts import Axis
from benchmarks.drawing.svg import GRID, TEXT, box, document, line, text

WIDTH, LEFT, RIGHT, TOP, BOTTOM, ROW = 880, 350, 60, 66, 46, 26

BETTER, WORSE, GOAL = "#2a8a5a", "#c1272d", "#0b6fb8"

#: Round ratios, of which as many are shown as the values need.
TICKS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Span:
    """A row: the ratios of the rounds, whether they are better than 1, and what was aimed at."""

    label: str
    rounds: Sequence[float]
    middle: float
    is_better: bool
    goal: float | None = None


def span_chart(title: str, spans: Sequence[Span]) -> str:
    """Returns the chart, as high as its rows need."""
    height = TOP + ROW * len(spans) + BOTTOM
    axis = ratio_axis([*(value for one in spans for value in one.rounds), *(one.goal or 1 for one in spans)])
    x = axis.scale(LEFT, WIDTH - RIGHT)
    bottom = height - BOTTOM
    parts = [text(14, 24, title, "start", size=15), *_key()]
    for tick in axis.ticks:
        parts.append(line((x(tick), TOP), (x(tick), bottom), TEXT if tick == 1 else GRID))
        parts.append(text(x(tick), bottom + 18, f"{tick:g}", "middle"))
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - 8, axis.title, "middle"))
    for index, one in enumerate(spans):
        y = TOP + ROW * (index + 0.5)
        color = BETTER if one.is_better else WORSE
        parts.append(text(LEFT - 12, y + 4, one.label, "end"))
        parts.append(line((x(min(one.rounds)), y), (x(max(one.rounds)), y), color, 'stroke-width="2"'))
        if one.goal is not None:
            parts.append(box(x(one.goal) - 1.5, y - 9, 3, 18, GOAL))
        parts.append(f'<circle cx="{x(one.middle):.1f}" cy="{y:.1f}" r="4.5" fill="{color}"/>')
        parts.append(text(WIDTH - RIGHT + 14, y + 4, f"{one.middle:.2f}", "start"))
    return document(parts, WIDTH, height)


def ratio_axis(values: Sequence[float]) -> Axis:
    """Returns a logarithmic axis around 1 that holds all values."""
    low = max((tick for tick in TICKS if tick <= min(values)), default=TICKS[0])
    high = min((tick for tick in TICKS if tick >= max(values)), default=TICKS[-1])
    ticks = [tick for tick in TICKS if min(low, 0.5) <= tick <= max(high, 1.5)]
    return Axis("new ÷ old", ticks, is_log=True)


def _key() -> list[str]:
    """Returns what the marks mean."""
    y = 46
    parts = [line((14, y), (44, y), BETTER, 'stroke-width="2"')]
    parts.append(f'<circle cx="29" cy="{y}" r="4.5" fill="{BETTER}"/>')
    parts.append(text(52, y + 4, "rounds and their median, better", "start"))
    parts.append(line((254, y), (284, y), WORSE, 'stroke-width="2"'))
    parts.append(f'<circle cx="269" cy="{y}" r="4.5" fill="{WORSE}"/>')
    parts.append(text(292, y + 4, "worse", "start"))
    return [*parts, box(350, y - 9, 3, 18, GOAL), text(362, y + 4, "goal", "start")]
