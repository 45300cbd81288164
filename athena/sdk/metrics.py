"""A wrapper's own metrics: `/metrics` shows them beside Athena's, as `athena_wrapper_NAME`.

    from athena.sdk import metrics

    PAGES = metrics.counter("pages", "pages that were read", labels=("kind",))
    PAGE_SECONDS = metrics.histogram("page_seconds", "how long a page takes", buckets=(0.01, 0.1, 1))
    CACHED = metrics.gauge("cached_models", "models in the cache")

    PAGES.add(3, kind="scan")
    PAGE_SECONDS.observe(0.2)
    CACHED.set(2)

Counters and histograms are of all workers of the ability together, and outlive them; a gauge is of each one.
Outside of a worker, in `athena run` for example, values go nowhere.
"""

import logging
import math
import re
import threading
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

logger = logging.getLogger(__name__)

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

#: Bounds, so that no wrapper fills Redis or Prometheus: metrics of a wrapper, series of one, labels, and the
#: length of their values.
MAX_METRICS, MAX_SERIES, MAX_LABELS, MAX_CHARS = 20, 100, 4, 100

#: What a histogram has where nobody says otherwise: seconds.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
_OWN_ENDINGS = ("_total", "_bucket", "_sum", "_count")
_OWN_LABELS = ("service_id", "worker", "le")


class Description(NamedTuple):
    """What a metric is."""

    name: str
    help: str
    kind: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...] = ()


class Change(NamedTuple):
    """What became of one series since it was asked for last; for workers.

    Attributes:
        labels: the values of its labels, in their order.
        value: by how much a counter or a histogram's sum grew, or what a gauge is.
        buckets: how many values more there are in each bucket of a histogram; the last one has no limit.
    """

    metric: Description
    labels: tuple[str, ...]
    value: float
    buckets: tuple[int, ...] = ()


class _Metric:
    """What all kinds share: their series."""

    def __init__(self, described: Description) -> None:
        self.described = described
        self._values: dict[tuple[str, ...], float] = {}
        self._buckets: dict[tuple[str, ...], list[int]] = {}
        self._known: set[tuple[str, ...]] = set()
        self._lock = threading.Lock()

    def take(self) -> list[Change]:
        """Returns what has changed since this was called last; for workers."""
        with self._lock:
            values, self._values = self._values, {}
            buckets, self._buckets = self._buckets, {}
        return [
            Change(self.described, labels, value, tuple(buckets.get(labels, ())))
            for labels, value in values.items()
        ]

    def _series(self, labels: dict[str, object]) -> tuple[str, ...] | None:
        """Returns the series of some labels; None where there are too many."""
        names = self.described.labels
        if labels.keys() != set(names):
            raise ValueError(f"{self.described.name} has the labels {', '.join(names) or '(none)'}")
        series = tuple(str(labels[name])[:MAX_CHARS] for name in names)
        if series in self._known:
            return series
        if len(self._known) >= MAX_SERIES:
            return None
        self._known.add(series)
        if len(self._known) == MAX_SERIES:
            logger.warning("the metric %s has %d series; more are left out", self.described.name, MAX_SERIES)
        return series


class Counter(_Metric):
    """How much there was of something."""

    def add(self, amount: float = 1, **labels: object) -> None:
        """Counts.

        Raises:
            ValueError: the amount is negative or no number, or the labels are not those of the metric.
        """
        if not 0 <= amount < math.inf:
            raise ValueError(f"a counter grows by 0 or more, got {amount!r}")
        with self._lock:
            series = self._series(labels)
            if series is not None:
                self._values[series] = self._values.get(series, 0) + amount


class Gauge(_Metric):
    """How much there is of something in this worker."""

    def set(self, value: float, **labels: object) -> None:
        """Tells it.

        Raises:
            ValueError: the value is no number, or the labels are not those of the metric.
        """
        if not math.isfinite(value):
            raise ValueError(f"a gauge is a number, got {value!r}")
        with self._lock:
            series = self._series(labels)
            if series is not None:
                self._values[series] = value


class Histogram(_Metric):
    """How values are spread."""

    def observe(self, value: float, **labels: object) -> None:
        """Counts a value.

        Raises:
            ValueError: the value is no number, or the labels are not those of the metric.
        """
        if not math.isfinite(value):
            raise ValueError(f"a histogram counts numbers, got {value!r}")
        limits = self.described.buckets
        with self._lock:
            series = self._series(labels)
            if series is not None:
                self._values[series] = self._values.get(series, 0) + value
                counts = self._buckets.setdefault(series, [0] * (len(limits) + 1))
                counts[bisect_left(limits, value)] += 1


M = TypeVar("M", bound=_Metric)

_metrics: dict[str, _Metric] = {}


def counter(name: str, text: str, labels: Sequence[str] = ()) -> Counter:
    """Declares a counter; `/metrics` shows it as `athena_wrapper_NAME_total`.

    Args:
        name: small letters, digits and `_`.
        text: what it counts.
        labels: names of its labels; each set of values is a series, of which there are 100 at most.

    Raises:
        ValueError: the name cannot be used, or is that of another metric, or there are too many.
    """
    return _declare(Counter, Description(name, text, COUNTER, tuple(labels)))


def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Gauge:
    """Declares a gauge; `/metrics` shows it as `athena_wrapper_NAME`, of each worker.

    Raises:
        ValueError: see `counter`.
    """
    return _declare(Gauge, Description(name, text, GAUGE, tuple(labels)))


def histogram(
    name: str, text: str, labels: Sequence[str] = (), buckets: Sequence[float] = DEFAULT_BUCKETS
) -> Histogram:
    """Declares a histogram; `/metrics` shows it as `athena_wrapper_NAME_bucket`, `_sum` and `_count`.

    Args:
        name: as of a counter; a unit at its end helps: `page_seconds`.
        text: what it measures.
        labels: as of a counter.
        buckets: upper limits, 20 at most.

    Raises:
        ValueError: see `counter`; or the buckets do not rise.
    """
    limits = tuple(float(limit) for limit in buckets)
    if not limits or len(limits) > MAX_METRICS or list(limits) != sorted(set(limits)):
        raise ValueError(f"buckets are 1 to {MAX_METRICS} numbers that rise")
    return _declare(Histogram, Description(name, text, HISTOGRAM, tuple(labels), limits))


def take_changes() -> list[Change]:
    """Returns what has changed since this was called last; for workers."""
    return [change for metric in list(_metrics.values()) for change in metric.take()]


def _declare(kind: type[M], described: Description) -> M:
    name = described.name
    if not _NAME.fullmatch(name) or name.endswith(_OWN_ENDINGS):
        raise ValueError(
            f"{name!r} cannot be the name of a metric: small letters, digits and _, such as pages"
        )
    if len(described.labels) > MAX_LABELS:
        raise ValueError(f"{name} has more than {MAX_LABELS} labels")
    for label in described.labels:
        if not _NAME.fullmatch(label) or label in _OWN_LABELS:
            raise ValueError(f"{label!r} cannot be a label of {name}")
    known = _metrics.get(name)
    if known is None:
        if len(_metrics) >= MAX_METRICS:
            raise ValueError(f"a wrapper has at most {MAX_METRICS} metrics")
        known = _metrics[name] = kind(described)
    if not isinstance(known, kind) or known.described != described:
        raise ValueError(f"there is another metric with the name {name}")
    return known
