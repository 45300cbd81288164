"""What wrappers count themselves, for Prometheus."""

from collections.abc import Iterator, Mapping, Set
from typing import Any

from athena.plain_text import plain_line
from athena.store.books.own_metrics import OwnSeries, read_own
from athena.telemetry.metrics import COUNTER, GAUGE, HISTOGRAM, Histogram, Metric, Sample

PREFIX = "athena_wrapper_"

_MAX_HELP_CHARS = 200


def own_samples(service_id: str, fields: Mapping[bytes, bytes], workers: Set[str]) -> Iterator[Sample]:
    """Returns an ability's own metrics.

    Args:
        service_id: the ability.
        fields: those of its counts that are about them.
        workers: who is registered; gauges of others are left out.
    """
    own = read_own(fields)
    metrics = {name: metric for name, about in own.about.items() if (metric := _metric(name, about))}
    for series in sorted(own.series):
        metric = metrics.get(series.name)
        labels = (service_id, *series.labels)
        if metric is None or (series.worker and series.worker not in workers):
            continue
        if series.worker:
            labels = (*labels, series.worker)
        if len(labels) == len(metric.labels):
            yield Sample(metric, labels, _value(metric, series))


def _value(metric: Metric, series: OwnSeries) -> float | Histogram:
    return Histogram(series.buckets, series.value) if metric.buckets else series.value


def _metric(name: str, about: Mapping[str, Any]) -> Metric | None:
    """Returns what a wrapper has declared; None where that cannot be understood."""
    try:
        kind, labels = about["kind"], ("service_id", *map(str, about["labels"]))
        text = plain_line(str(about["help"]), _MAX_HELP_CHARS)
        buckets = tuple(float(limit) for limit in about["buckets"])
    except (KeyError, TypeError, ValueError):
        return None
    if kind == COUNTER:
        return Metric(f"{PREFIX}{name}_total", labels, text)
    if kind == GAUGE:
        return Metric(PREFIX + name, (*labels, "worker"), text)
    return Metric(PREFIX + name, labels, text, buckets) if kind == HISTOGRAM and buckets else None
