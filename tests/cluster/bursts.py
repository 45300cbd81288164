"""A day of bursty load in minutes: whether the backlog stays bounded, and how many workers there are when."""

import itertools
import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster.site import MOST, SLOTS, Site
from tests.cluster.timeline import Arrival, Moment, Timeline, turns
from tests.dashboards.charts import Page, lines
from tests.dashboards.drawing import Drawn, Line
from tests.dashboards.drawing import draw as draw_page
from tests.house import ROOT

Row = tuple[str, str]

#: Where the picture of the day is.
PICTURE = ROOT / "docs" / "scaling.svg"

HOUR_S = 10.0
JOB_S = 1.0

#: Jobs a second, by the hour: a batch at night, a morning, a noon, and twice more than all workers take.
DAY = (0, 0, 0, 6, 0, 0, 0, 2, 6, 10, 9, 6, 3, 5, 20, 8, 8, 20, 6, 3, 1, 1, 0, 0)


def arrivals(day: Sequence[float], hour_s: float, seed: int) -> list[Arrival]:
    """Returns the jobs of a day, with gaps as those of strangers who do not know of each other."""
    dice = random.Random(seed)
    found = []
    for hour, rate in enumerate(day):
        at_s = 0.0
        while rate and (at_s := at_s + dice.expovariate(rate)) < hour_s:
            found.append(Arrival(hour * hour_s + at_s, JOB_S))
    return found


def check_day(site: Site, picture: Path | None) -> Iterator[Row]:
    """A day; draws it where a file is named."""
    timeline = Timeline(site)
    due = arrivals(DAY, HOUR_S, seed=1)
    end_s = len(DAY) * HOUR_S
    timeline.watch("the day is over", lambda now: _is_over(now, end_s), end_s + 120, due)
    waits_s = sorted(timeline.waits_s())
    moments = timeline.moments
    replicas = [now.replicas for now in moments]
    # More turns than the load has were flapping; that of strangers has a wave of its own now and then.
    assert turns(replicas) <= turns(DAY) + 2, replicas
    if picture:
        picture.write_text(draw(moments), encoding="utf-8")
    yield (
        f"a day, an hour as {HOUR_S:.0f} s: {len(due)} jobs, up to {max(DAY)} a second for {_capacity():.0f}",
        f"all succeeded, none refused; most waiting or running {max(now.demand for now in moments):.0f}; "
        f"waits: median {waits_s[len(waits_s) // 2]:.1f} s, 99 % {waits_s[len(waits_s) * 99 // 100]:.1f} s, "
        f"longest {waits_s[-1]:.1f} s; {turns(replicas)} turns of pods, {turns(DAY)} of the load; "
        f"pods {_mean(moments):.1f} of {MOST} on average",
    )


def draw(moments: Sequence[Moment]) -> str:
    """Returns the picture of a day, from midnight to midnight."""
    day = [now for now in moments if _hour(now) <= len(DAY)]
    charts = [
        Drawn(lines("Jobs that come, a second"), [Line("jobs", _rates(day))]),
        Drawn(
            lines(f"Pods, 0 to {MOST}"),
            [
                Line("wanted", [(_hour(now), float(now.replicas)) for now in day]),
                Line("workers serving", [(_hour(now), now.serving) for now in day]),
            ],
        ),
        Drawn(
            lines("Jobs that wait or run"),
            [Line("jobs", [(_hour(now), now.demand) for now in day])],
        ),
    ]
    title = f"A day of bursty load: {SLOTS} jobs at once in each worker"
    return draw_page(Page("scaling", title, "", ()), [(f"0:00 to 24:00, an hour in {HOUR_S:.0f} s", charts)])


def _rates(day: Sequence[Moment]) -> list[tuple[float, float]]:
    """Returns jobs a second, for each quarter of an hour."""
    found = []
    begin = day[0]
    for now in day:
        if now.at_s - begin.at_s >= HOUR_S / 4:
            found.append((_hour(begin), (now.sent - begin.sent) / (now.at_s - begin.at_s)))
            begin = now
    return found


def _is_over(now: Moment, end_s: float) -> bool:
    return now.at_s > end_s and not (now.demand or now.replicas)


def _hour(now: Moment) -> float:
    return now.at_s / HOUR_S


def _capacity() -> float:
    """Returns how many jobs a second all workers take."""
    return MOST * SLOTS / JOB_S


def _mean(moments: Sequence[Moment]) -> float:
    spans = itertools.pairwise(moments)
    total = sum(one.replicas * (later.at_s - one.at_s) for one, later in spans)
    return total / (moments[-1].at_s - moments[0].at_s)
