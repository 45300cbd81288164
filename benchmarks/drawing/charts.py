"""Line and bar charts as SVG, on logarithmic axes where values span decades."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.drawing.svg import GRID, box, document, text

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 74, 168, 44, 54

COLORS = {
    "athena": "#c1272d",
    "mosec": "#0b6fb8",
    "litserve": "#7d3fa0",
    "bentoml": "#d98200",
    "ray": "#2a8a5a",
    "celery": "#7a5c3a",
    "bare": "#777777",
}
PARTS = ("#0b6fb8", "#c1272d", "#2a8a5a", "#222222", "#7d3fa0", "#999999", "#d98200", "#7a5c3a")

Points = Sequence[tuple[float, float]]
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Axis:
    """What an axis shows; `ticks` are the values that are written at it."""

    title: str
    ticks: Sequence[float]
    is_log: bool = False

    def scale(self, start: float, end: float) -> Scale:
        """Returns where a value lies between two coordinates."""
        low, high = self._of(self.ticks[0]), self._of(self.ticks[-1])
        return lambda value: start + (self._of(value) - low) / ((high - low) or 1.0) * (end - start)

    def _of(self, value: float) -> float:
        return math.log10(max(value, 1e-9)) if self.is_log else value


def linear_axis(title: str, highest: float) -> Axis:
    """Returns an axis from 0 with about five round steps."""
    highest = max(highest, 1e-9)
    rough = highest / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    return Axis(title, [step * index for index in range(math.ceil(highest / step) + 1)])


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """Returns an axis over whole decades."""
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))
    return Axis(title, [10.0**power for power in range(low, high + 1)], is_log=True)


def line_chart(title: str, across: Axis, up: Axis, lines: Mapping[str, Points]) -> str:
    """Returns a chart with a line for each name."""
    x, y = across.scale(LEFT, WIDTH - RIGHT), up.scale(HEIGHT - BOTTOM, TOP)
    parts = [*_frame(title, up, y), *_ticks_across(across, x)]
    for index, (name, points) in enumerate(lines.items()):
        color = COLORS.get(name, PARTS[index % len(PARTS)])
        path = " ".join(f"{x(one):.1f},{y(other):.1f}" for one, other in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(one):.1f}" cy="{y(other):.1f}" r="3" fill="{color}"/>' for one, other in points
        ]
        parts += _legend(index, name, color)
    return document(parts, WIDTH, HEIGHT)


def stacked_bars(title: str, up: Axis, bars: Mapping[str, Mapping[str, float]]) -> str:
    """Returns a chart with a bar for each name, made of parts."""
    y = up.scale(HEIGHT - BOTTOM, TOP)
    parts = _frame(title, up, y)
    kinds = list(dict.fromkeys(part for bar in bars.values() for part in bar))
    room = (WIDTH - RIGHT - LEFT) / max(1, len(bars))
    for index, (name, bar) in enumerate(bars.items()):
        left, total = LEFT + room * (index + 0.2), 0.0
        for part, value in bar.items():
            color = PARTS[kinds.index(part) % len(PARTS)]
            top, bottom = y(total + value), y(total)
            parts.append(box(left, top, room * 0.6, bottom - top, color))
            total += value
        parts.append(text(left + room * 0.3, y(total) - 5, f"{total:,.0f}", "middle"))
        parts.append(text(left + room * 0.3, HEIGHT - BOTTOM + 18, name, "middle"))
    for index, part in enumerate(kinds):
        parts += _legend(index, part, PARTS[index % len(PARTS)])
    return document(parts, WIDTH, HEIGHT)


def _frame(title: str, up: Axis, y: Scale) -> list[str]:
    parts = [text(LEFT, 24, title, "start", size=15)]
    for tick in up.ticks:
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="{GRID}"/>'
        )
        parts.append(text(LEFT - 8, y(tick) + 4, f"{tick:,g}", "end"))
    middle = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="rotate(-90 18 {middle:.0f})"'
    return [*parts, text(18, middle, up.title, "middle", more=turned)]


def _ticks_across(across: Axis, x: Scale) -> list[str]:
    base = HEIGHT - BOTTOM
    parts = [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, across.title, "middle")]
    for tick in across.ticks:
        parts.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{TOP}" y2="{base}" stroke="{GRID}"/>')
        parts.append(text(x(tick), base + 18, f"{tick:,g}", "middle"))
    return parts


def _legend(index: int, name: str, color: str) -> list[str]:
    top = TOP + 6 + 22 * index
    return [box(WIDTH - RIGHT + 18, top, 14, 14, color), text(WIDTH - RIGHT + 40, top + 12, name, "start")]
