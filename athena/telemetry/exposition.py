"""Metrics as text that Prometheus reads (version 0.0.4 of its format).

A gateway serves nobody while it writes; prometheus_client takes several times as long for a large fleet. A
test reads with that library what is written here.
"""

from collections.abc import Iterable

from athena.telemetry.metrics import HISTOGRAM, METRICS, Histogram, Metric, Sample

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def render(samples: Iterable[Sample]) -> str:
    """Returns samples as text, in the order of the table; a metric without samples is left out."""
    by_metric: dict[Metric, list[str]] = {metric: [] for metric in METRICS}
    for sample in samples:
        by_metric[sample.metric] += _lines(sample)
    parts: list[str] = []
    for metric, lines in by_metric.items():
        if lines:
            parts.append(f"# HELP {metric.name} {metric.help}")
            parts.append(f"# TYPE {metric.name} {metric.kind}")
            parts += lines
    return "\n".join([*parts, ""])


def _lines(sample: Sample) -> list[str]:
    metric = sample.metric
    labels = ",".join(
        f'{name}="{_escape(value)}"' for name, value in zip(metric.labels, sample.labels, strict=True)
    )
    value = sample.value
    if metric.kind == HISTOGRAM:
        assert isinstance(value, Histogram)
        return _histogram(metric.name, labels, value, metric.buckets)
    assert not isinstance(value, Histogram)
    return [f"{metric.name}{{{labels}}} {_number(value)}" if labels else f"{metric.name} {_number(value)}"]


def _histogram(name: str, labels: str, value: Histogram, limits: tuple[float, ...]) -> list[str]:
    before = f"{labels}," if labels else ""
    shown = f"{{{labels}}}" if labels else ""
    counts = value.cumulative(limits)
    lines = [
        f'{name}_bucket{{{before}le="{_number(limit)}"}} {count}'
        for limit, count in zip(limits, counts, strict=False)
    ]
    lines.append(f'{name}_bucket{{{before}le="+Inf"}} {counts[-1]}')
    lines.append(f"{name}_sum{shown} {_number(value.total)}")
    lines.append(f"{name}_count{shown} {counts[-1]}")
    return lines


def _escape(text: str) -> str:
    return text.translate(_ESCAPES) if '"' in text or "\\" in text or "\n" in text else text


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
