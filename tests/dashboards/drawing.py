"""One dashboard's charts as SVG, as Grafana would show them; no drawing library is needed."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import NamedTuple

from tests.dashboards.charts import Chart, Page

COLUMNS, WIDTH, HEIGHT, GAP = 3, 400, 190, 14
TITLE, LEGEND, LEFT, RIGHT = 26, 34, 52, 8
COLORS = ("#0b6fb8", "#c1272d", "#2a8a5a", "#7d3fa0", "#d98200", "#7a5c3a", "#0a9396", "#999999")

GOOD, BAD = "#2a8a5a", "#c1272d"

#: Of more lines those are drawn that go highest.
MAX_LINES = 8

Points = Sequence[tuple[float, float]]


class Line(NamedTuple):
    """What a query came to: its legend, and time and value of each point."""

    legend: str
    points: Points


class Drawn(NamedTuple):
    """A chart and its lines."""

    chart: Chart
    lines: Sequence[Line]


def draw(page: Page, rows: Sequence[tuple[str, Sequence[Drawn]]]) -> str:
    """Returns a dashboard as SVG."""
    parts, top = [_text(GAP, 24, page.title, 18, "bold")], 44
    for title, charts in rows:
        parts.append(_text(GAP, top + 4, title, 13, "bold", "#555555"))
        top += 14
        for number, drawn in enumerate(charts):
            left = GAP + number % COLUMNS * (WIDTH + GAP)
            above = top + number // COLUMNS * (HEIGHT + GAP)
            parts += [f'<g transform="translate({left},{above})">', *_chart(drawn), "</g>"]
        top += -(-len(charts) // COLUMNS) * (HEIGHT + GAP) + 12
    width = COLUMNS * (WIDTH + GAP) + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" font-family="sans-serif">'
        f'<rect width="{width}" height="{top}" fill="#f4f5f5"/>'
    )
    return "\n".join([head, *parts, "</svg>", ""])


def _chart(drawn: Drawn) -> Iterator[str]:
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" rx="3" fill="#ffffff" stroke="#dddddd"/>'
    yield _text(10, 18, drawn.chart.title, 12, "bold")
    lines = _highest([line for line in drawn.lines if line.points])
    if not lines:
        yield _text(WIDTH / 2 - 25, HEIGHT / 2, "no data", 12, "normal", "#999999")
    elif drawn.chart.kind == "number":
        value = lines[0].points[-1][1]
        color = BAD if _is_bad(drawn.chart, value) else GOOD
        yield _text(20, HEIGHT / 2 + 20, _shown(value, drawn.chart.unit), 42, "bold", color)
    else:
        yield from _lines(drawn.chart, lines)


def _highest(lines: Sequence[Line]) -> list[Line]:
    """Returns the lines that are drawn, in their order."""
    if not lines:
        return []
    peaks = sorted((max(value for _, value in line.points) for line in lines), reverse=True)[:MAX_LINES]
    return [line for line in lines if max(value for _, value in line.points) >= peaks[-1]][:MAX_LINES]


def _is_bad(chart: Chart, value: float) -> bool:
    return (chart.bad_from is not None and value >= chart.bad_from) or (
        chart.bad_below is not None and value < chart.bad_below
    )


def _lines(chart: Chart, lines: Sequence[Line]) -> Iterator[str]:
    if chart.is_stacked:
        lines = _stacked(lines)
    times = [at for line in lines for at, _ in line.points]
    first, span = min(times), (max(times) - min(times)) or 1.0
    highest = max(value for line in lines for _, value in line.points) or 1.0
    bottom, room = HEIGHT - LEGEND, HEIGHT - LEGEND - TITLE - 8
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * room
        yield f'<path d="M{LEFT} {y:.0f}H{WIDTH - RIGHT}" stroke="#eeeeee"/>'
        yield _text(4, y + 3, _shown(highest * share, chart.unit), 9, "normal", "#777777")
    for number, line in enumerate(lines):
        path = "L".join(
            f"{LEFT + (at - first) / span * (WIDTH - LEFT - RIGHT):.0f} "
            f"{bottom - max(0.0, value) / highest * room:.1f}"
            for at, value in line.points
        )
        color = COLORS[number % len(COLORS)]
        yield f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.5"/>'
        x, y = 10 + number % 4 * 97, HEIGHT - 20 + number // 4 * 12
        yield _text(x, y, line.legend[:17], 9, "normal", color)


def _stacked(lines: Sequence[Line]) -> list[Line]:
    """Returns lines each of which begins where the one before ends."""
    below: dict[float, float] = {}
    found = []
    for line in lines:
        points = [(at, value + below.get(at, 0.0)) for at, value in line.points]
        below.update(points)
        found.append(Line(line.legend, points))
    return found


def _shown(value: float, unit: str) -> str:
    if unit == "percentunit":
        return f"{value:.0%}"
    if unit == "s":
        return f"{value * 1000:.0f} ms" if value < 1 else f"{value:.1f} s"
    if unit == "bytes":
        return f"{value / 2**20:.0f} MiB" if value >= 2**20 else f"{value:.0f} B"
    return f"{value:.3g}"


def _text(x: float, y: float, text: str, size: int, weight: str, color: str = "#222222") -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" fill="{color}">'
        f"{escape(text)}</text>"
    )
