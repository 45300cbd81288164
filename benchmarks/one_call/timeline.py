"""One call of each build as SVG: a lane for each thread, bars while it is awake, arrows of who wakes whom."""

import math
from collections.abc import Iterator, Mapping

from benchmarks.drawing.charts import PARTS, Axis, Scale, linear_axis
from benchmarks.drawing.svg import GRID, TEXT, box, document, line, text
from benchmarks.one_call.kept import Kept
from benchmarks.one_call.wakes import HandOver

WIDTH, LEFT, RIGHT = 960, 132, 24
HEAD, TITLE, LANE, BAR, FOOT = 58, 40, 46, 14, 66

#: An arrow that goes further aside than this has its number on its middle, others beside their heads.
FLAT = 22

LANES = ("client", "gateway", "Redis", "worker's loop", "inference thread")

WAY, BESIDE = "#222222", "#9a9a9a"

CAPTION = (
    "strace makes everything slower, some calls more than others: the order and the number of changes count, "
    "not the times."
)


def timeline(title: str, builds: Mapping[str, Kept]) -> str:
    """Returns the picture: the builds one under the other, on one scale."""
    longest_ms = max(one.call.ended_s for one in builds.values()) * 1000
    axis = linear_axis("ms since the request began to leave, under strace", longest_ms)
    x = axis.scale(LEFT, WIDTH - RIGHT)
    block = TITLE + LANE * len(LANES)
    height = HEAD + block * len(builds) + FOOT
    parts = [text(14, 24, title, "start", size=15), *_key()]
    for index, (name, kept) in enumerate(builds.items()):
        parts += _build(name, kept, HEAD + block * index, x, axis)
    parts += [text(x(tick), height - FOOT + 18, f"{tick:g}", "middle") for tick in axis.ticks]
    parts.append(text((LEFT + WIDTH - RIGHT) / 2, height - FOOT + 36, axis.title, "middle"))
    parts.append(text(14, height - 10, CAPTION, "start", color="#555555"))
    return document(parts, WIDTH, height)


def _build(name: str, kept: Kept, top: float, x: Scale, axis: Axis) -> Iterator[str]:
    call = kept.call
    said = f"{name} build, {kept.about['commit']}: {call.changes} changes of hands, then the answer"
    yield text(14, top + 24, said, "start", size=13, more='font-weight="bold"')
    middle = {lane: top + TITLE + LANE * (index + 0.5) for index, lane in enumerate(LANES)}
    for tick in axis.ticks:
        yield line((x(tick), top + TITLE), (x(tick), top + TITLE + LANE * len(LANES)))
    for index, lane in enumerate(LANES):
        yield line((LEFT, middle[lane]), (WIDTH - RIGHT, middle[lane]), GRID)
        yield text(LEFT - 10, middle[lane] + 4, lane, "end", color=PARTS[index])
    for bar in call.bars:
        left, right = x(bar.began_s * 1000), x(bar.ended_s * 1000)
        color = PARTS[LANES.index(bar.lane)]
        yield box(left, middle[bar.lane] - BAR / 2, max(right - left, 1), BAR, color)
    beside = [one for one in call.hand_overs if not one.place]
    for one in (*beside, *call.way):
        yield from _arrow(one, middle, x, is_last=one.place == len(call.way))


def _arrow(one: HandOver, middle: Mapping[str, float], x: Scale, is_last: bool) -> Iterator[str]:
    is_down = middle[one.receiver] > middle[one.sender]
    side = 1 if is_down else -1
    start = x(one.sent_s * 1000), middle[one.sender] + side * BAR / 2
    end = x(one.woke_s * 1000), middle[one.receiver] - side * BAR / 2
    color = WAY if one.place else BESIDE
    more = 'stroke-width="1.6"' if one.place else 'stroke-width="1" stroke-dasharray="3 2"'
    yield line(start, end, color, more)
    yield _head(start, end, color)
    if one.place and not is_last:
        is_flat = abs(end[0] - start[0]) > FLAT
        left = (start[0] + end[0]) / 2 if is_flat else end[0] - 12
        yield from _number(one.place, left, (start[1] + end[1]) / 2 if is_flat else end[1] - side * 9)


def _head(start: tuple[float, float], end: tuple[float, float], color: str) -> str:
    """Returns the head of an arrow, which points as its line does."""
    length = math.dist(start, end) or 1.0
    along = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    base = end[0] - 8 * along[0], end[1] - 8 * along[1]
    corners = [end, *((base[0] + side * along[1], base[1] - side * along[0]) for side in (3.5, -3.5))]
    return f'<polygon points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in corners)}" fill="{color}"/>'


def _number(number: int, left: float, top: float) -> Iterator[str]:
    yield f'<circle cx="{left:.1f}" cy="{top:.1f}" r="7.5" fill="white" stroke="{TEXT}"/>'
    yield text(left, top + 4, str(number), "middle", size=11)


def _key() -> list[str]:
    """Returns what the marks mean."""
    y = 44
    parts = [box(14, y - 7, 30, BAR, PARTS[0]), text(52, y + 4, "awake", "start")]
    parts += [line((112, y), (142, y), WAY, 'stroke-width="1.6"'), *_number(1, 127, y)]
    parts.append(text(150, y + 4, "change of hands on the way of the call", "start"))
    parts.append(line((392, y), (422, y), BESIDE, 'stroke-width="1" stroke-dasharray="3 2"'))
    parts.append(text(430, y + 4, "what else is handed over meanwhile", "start"))
    return parts
