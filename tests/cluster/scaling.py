"""A burst, and a Prometheus that is away: what the chart's scaler makes of them."""

from collections.abc import Iterator
from pathlib import Path

from tests.cluster.bursts import check_day
from tests.cluster.keda import start_keda, state
from tests.cluster.plane import Plane
from tests.cluster.site import DEPLOYMENT, MOST, NAMESPACE, Site
from tests.cluster.timeline import Arrival, Moment, Timeline, turns

Row = tuple[str, str]

#: Jobs come faster than one worker takes them, for so long.
_BURST = [Arrival(at_s=number * 0.2, seconds=2.0) for number in range(100)]


def check_scaling(picture: Path | None, plane: Plane) -> Iterator[Row]:
    """From none to some and back, as the metric says; without a metric; and for a day.

    Args:
        picture: where the day is drawn.
    """
    start_keda(plane)
    site = Site(plane)
    site.start()
    yield from check_first_pod(site)
    yield from check_burst(site)
    yield from check_pause(site)
    yield from check_blindness(plane, site)
    yield from check_day(site, picture)
    site.stop()


def check_first_pod(site: Site) -> Iterator[Row]:
    """Nobody has heard of a new ability: it has one pod until that has told of it."""
    timeline = Timeline(site)
    timeline.watch("a worker serves", lambda now: now.serving == 1, 120)
    known = timeline.watch("it is gone again", _is_empty, 120)
    assert set(_replicas(timeline)) == {1, 0} and not turns(_replicas(timeline)), _replicas(timeline)
    yield "new ability, no metric yet", f"one pod, which tells of it and is gone after {known.at_s:.0f} s"


def check_burst(site: Site) -> Iterator[Row]:
    """100 jobs within 20 s, while there is no worker."""
    timeline = Timeline(site)
    timeline.watch("all is done, and no pod is left", _is_empty, 180, _BURST)
    waits_s = timeline.waits_s()
    replicas = _replicas(timeline)
    assert max(replicas) == MOST and turns(replicas) == 1, replicas
    first = next(one.at_s for one in timeline.moments if one.serving)
    yield (
        f"burst of {len(_BURST)} jobs in {_BURST[-1].at_s:.0f} s, from no pod on",
        f"pods {_steps(timeline)}; {turns(replicas)} turn; first worker after {first:.0f} s; "
        f"longest wait {max(waits_s):.0f} s; all succeeded",
    )


def check_pause(site: Site) -> Iterator[Row]:
    """Jobs of a paused queue wake nobody: a worker would find nothing to do."""
    timeline = Timeline(site)
    site.let_queues("pause")
    timeline.watch("some time has gone by", lambda now: now.at_s > 20, 60, _BURST[:10])
    assert max(_replicas(timeline)) == 0, _replicas(timeline)
    site.let_queues("resume")
    timeline.watch("a worker serves", lambda now: now.serving > 0, 60)
    timeline.watch("all is done, and no pod is left", _is_empty, 120)
    timeline.waits_s()
    most = max(_replicas(timeline))
    yield "10 jobs in a paused queue, for 20 s", f"no pod; {most} once it is resumed, and none in the end"


def check_blindness(plane: Plane, site: Site) -> Iterator[Row]:
    """Prometheus goes while pods work, and while there is none."""
    timeline = Timeline(site)
    timeline.watch("all pods are there", lambda now: now.serving == MOST, 120, _BURST)
    site.end_prometheus()
    gone = timeline.watch("KEDA has noticed", lambda now: _falls_back(plane), 120)
    timeline.watch("all jobs are done", lambda now: now.demand == 0, 120)
    # Longer than fewer pods have to be enough for.
    timeline.watch("some time has gone by", lambda now: now.at_s > gone.at_s + 30, 60)
    assert {now.replicas for now in timeline.moments if now.at_s > gone.at_s} == {MOST}
    assert timeline.waits_s()
    site.start_prometheus()
    timeline.watch("no pod is left", _is_empty, 120)
    yield f"Prometheus killed while {MOST} pods work", f"all {MOST} stay; none is left once it is back"

    timeline = Timeline(site)
    site.end_prometheus()
    came = timeline.watch("a worker serves", lambda now: now.serving == 1, 120)
    timeline.watch("some time has gone by", lambda now: now.at_s > came.at_s + 20, 60)
    assert max(_replicas(timeline)) == 1
    site.start_prometheus()
    timeline.watch("no pod is left", _is_empty, 120)
    yield "Prometheus killed while there is none", f"one comes after {came.at_s:.0f} s; gone once it is back"


def _is_empty(now: Moment) -> bool:
    return not (now.demand or now.replicas or now.serving)


def _falls_back(plane: Plane) -> bool:
    return state(plane, NAMESPACE, DEPLOYMENT).get("Fallback", False)


def _replicas(timeline: Timeline) -> list[int]:
    return [now.replicas for now in timeline.moments]


def _steps(timeline: Timeline) -> str:
    """Returns the numbers of pods, each at its second."""
    found: list[str] = []
    last = -1
    for now in timeline.moments:
        if now.replicas != last:
            found.append(f"{now.replicas} at {now.at_s:.0f} s")
            last = now.replicas
    return ", ".join(found)
