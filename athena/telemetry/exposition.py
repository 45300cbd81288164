"""Metrics as text that Prometheus reads: version 0.0.4 of its format, or OpenMetrics 1.0.

A gateway serves nobody while it writes; prometheus_client takes several times as long for a large fleet. A
test reads with that library what is written here. OpenMetrics has room for exemplars: traces that show a
value of a histogram.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import cache
from itertools import accumulate

from prometheus_client.utils import floatToGoString

from athena.telemetry.metrics import METRICS, Example, Histogram, Metric, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

#: Lines of some metrics, in the order in which they are to come.
Lines = list[tuple[Metric, list[str]]]


def wants_open_metrics(accept: str) -> bool:
    """Whether a request's `Accept` takes OpenMetrics; Prometheus' does, and prefers it."""
    return "application/openmetrics-text" in accept


class Exposition:
    """A page of metrics, which may be written in pieces: families come in the order of the table."""

    def __init__(self, is_open: bool = False) -> None:
        self._is_open = is_open
        self._lines: dict[Metric, list[str]] = {metric: [] for metric in METRICS}
        self._others: dict[str, Metric] = {}

    @property
    def content_type(self) -> str:
        """What the page is."""
        return OPEN_CONTENT_TYPE if self._is_open else CONTENT_TYPE

    def add(self, samples: Iterable[Sample]) -> None:
        """Adds samples."""
        self.add_lines(written(samples, self._is_open))

    def add_lines(self, lines: Lines) -> None:
        """Adds samples that were written before, in the same form."""
        for metric, texts in lines:
            known = self._lines.get(metric)
            if known is None:
                known = self._family(metric)
            known += texts

    def _family(self, metric: Metric) -> list[str]:
        """Returns where lines of a metric go that is not of the table: several wrappers may have its name."""
        first = self._others.setdefault(metric.name.removesuffix("_total"), metric)
        # A name has one kind; who comes later with another one is left out.
        return self._lines.setdefault(first, []) if first.kind == metric.kind else []

    def text(self) -> str:
        """Returns the page; a metric without samples is left out."""
        parts: list[str] = []
        for metric, lines in self._lines.items():
            if lines:
                # The family of a counter is named without its ending there.
                name = metric.name.removesuffix("_total") if self._is_open else metric.name
                parts.append(f"# HELP {name} {_help(metric.help)}")
                parts.append(f"# TYPE {name} {metric.kind}")
                parts += lines
        return "\n".join([*parts, *(["# EOF"] if self._is_open else []), ""])


def written(samples: Iterable[Sample], is_open: bool = False) -> Lines:
    """Returns samples as lines; exemplars have a place in OpenMetrics alone."""
    found: dict[Metric, list[str]] = {}
    for sample in samples:
        metric, value = sample.metric, sample.value
        lines = found.get(metric)
        if lines is None:
            lines = found[metric] = []
        labels = ",".join(
            [f'{name}="{_escape(text)}"' for name, text in zip(metric.labels, sample.labels, strict=True)]
        )
        if isinstance(value, Histogram):
            lines += _histogram(metric, labels, value, is_open)
        else:
            shown = f"{{{labels}}}" if labels else ""
            lines.append(f"{metric.name}{shown} {_number(value)}")
    return list(found.items())


def _histogram(metric: Metric, labels: str, value: Histogram, is_open: bool) -> list[str]:
    name, limits = metric.name, metric.buckets
    counts = [0] * (len(limits) + 1)
    for limit, count in value.counts.items():
        counts[bisect_left(limits, limit)] += count
    sums = list(accumulate(counts))
    begin = f"{name}_bucket{{{labels}," if labels else f"{name}_bucket{{"
    shown, total = f"{{{labels}}}" if labels else "", sums[-1]
    lines = [f"{begin}{end}{count}" for end, count in zip(_ends(limits), sums, strict=True)]
    if is_open and value.examples:
        _add_examples(lines, limits, value.examples)
    lines.append(f"{name}_sum{shown} {_number(value.total)}")
    lines.append(f"{name}_count{shown} {total}")
    return lines


def _add_examples(lines: list[str], limits: tuple[float, ...], examples: Mapping[float, Example]) -> None:
    for limit, example in examples.items():
        lines[bisect_left(limits, limit)] += (
            f' # {{trace_id="{example.trace_id}"}} {example.value!r} {example.at_s!r}'
        )


@cache
def _ends(limits: tuple[float, ...]) -> list[str]:
    """Returns how the names of a histogram's buckets end: there are few kinds, and many of each."""
    # As floats, in both forms: a series must not become another where the form changes.
    return [f'le="{limit}"}} ' for limit in (*map(floatToGoString, limits), "+Inf")]


def _help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', "'")


def _escape(text: str) -> str:
    return text.translate(_ESCAPES) if '"' in text or "\\" in text or "\n" in text else text


def _number(value: float) -> str:
    # Most values are whole: without `.0` the page is shorter and takes less time to write.
    whole = int(value)
    return str(whole) if whole == value else repr(float(value))
