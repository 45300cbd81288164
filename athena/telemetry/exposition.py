"""Metrics as text that Prometheus reads (version 0.0.4 of its format).

A gateway serves nobody while it writes; prometheus_client takes several times as long for a large fleet. A
test reads with that library what is written here.
"""

from bisect import bisect_left
from collections.abc import Iterable
from functools import cache
from itertools import accumulate

from athena.telemetry.metrics import METRICS, Histogram, Metric, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class Exposition:
    """A page of metrics, which may be written in pieces: families come in the order of the table."""

    def __init__(self) -> None:
        self._lines: dict[Metric, list[str]] = {metric: [] for metric in METRICS}

    def add(self, samples: Iterable[Sample]) -> None:
        """Adds samples."""
        for sample in samples:
            metric, value = sample.metric, sample.value
            labels = ",".join(
                f'{name}="{_escape(text)}"' for name, text in zip(metric.labels, sample.labels, strict=True)
            )
            if isinstance(value, Histogram):
                self._lines[metric] += _histogram(metric, labels, value)
            else:
                shown = f"{{{labels}}}" if labels else ""
                self._lines[metric].append(f"{metric.name}{shown} {_number(value)}")

    def text(self) -> str:
        """Returns the page; a metric without samples is left out."""
        parts: list[str] = []
        for metric, lines in self._lines.items():
            if lines:
                parts.append(f"# HELP {metric.name} {metric.help}")
                parts.append(f"# TYPE {metric.name} {metric.kind}")
                parts += lines
        return "\n".join([*parts, ""])


def _histogram(metric: Metric, labels: str, value: Histogram) -> list[str]:
    name, limits = metric.name, metric.buckets
    counts = [0] * (len(limits) + 1)
    for limit, count in value.counts.items():
        counts[bisect_left(limits, limit)] += count
    sums = list(accumulate(counts))
    begin = f"{name}_bucket{{{labels}," if labels else f"{name}_bucket{{"
    shown, total = f"{{{labels}}}" if labels else "", sums[-1]
    lines = [f"{begin}{end}{count}" for end, count in zip(_ends(limits), sums, strict=True)]
    lines.append(f"{name}_sum{shown} {_number(value.total)}")
    lines.append(f"{name}_count{shown} {total}")
    return lines


@cache
def _ends(limits: tuple[float, ...]) -> list[str]:
    """Returns how the names of a histogram's buckets end: there are few kinds, and many of each."""
    return [f'le="{limit}"}} ' for limit in (*map(_number, limits), "+Inf")]


def _escape(text: str) -> str:
    return text.translate(_ESCAPES) if '"' in text or "\\" in text or "\n" in text else text


def _number(value: float) -> str:
    # Most values are whole: without `.0` the page is shorter and takes less time to write.
    whole = int(value)
    return str(whole) if whole == value else repr(float(value))
