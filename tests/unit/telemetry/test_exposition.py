"""Metrics as text: the reference library reads what is written."""

import math
from collections.abc import Iterable
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_open_metrics
from prometheus_client.parser import text_string_to_metric_families

from athena.telemetry.exposition import Exposition
from athena.telemetry.metrics import (
    BATCH_SIZE,
    DEAD_LETTERS,
    HISTOGRAM,
    JOB_RUN,
    JOBS_FINISHED,
    METRICS,
    QUEUE_JOBS,
    Example,
    Histogram,
    Metric,
    Sample,
)


def written(samples: Iterable[Sample]) -> str:
    exposition = Exposition()
    for sample in samples:
        exposition.add([sample])
    return exposition.text()


def open_families(text: str) -> list[Any]:
    """Returns what the library reads of OpenMetrics."""
    return list(read_open_metrics(text))  # type: ignore[no-untyped-call]


def values(*samples: Sample) -> dict[tuple[str, tuple[str, ...]], float]:
    """Returns what the library reads: name and the labels' values -> value."""
    families = text_string_to_metric_families(written(samples))
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def test_numbers_and_labels_are_read_as_they_were() -> None:
    odd = 'a"b\\c\nd'
    read = values(
        Sample(QUEUE_JOBS, ("echo", odd, "high"), 3),
        Sample(JOBS_FINISHED, ("echo", "cpu", "failed"), 12345678901234),
        Sample(DEAD_LETTERS, (), 0.25),
    )

    assert read == {
        ("athena_queue_jobs", ("echo", odd, "high")): 3,
        ("athena_jobs_finished_total", ("echo", "cpu", "failed")): 12345678901234,
        ("athena_dead_letters", ()): 0.25,
    }


def test_histogram_counts_what_is_at_most_as_large() -> None:
    counts = {0.002: 1, 0.05: 2, math.inf: 4}
    read = values(Sample(JOB_RUN, ("echo", "cpu"), Histogram(counts, 12.5)))

    def bucket(limit: str) -> float:
        return read["athena_job_run_seconds_bucket", ("echo", "cpu", limit)]

    assert [bucket(limit) for limit in ("0.002", "0.025", "0.05", "300.0", "+Inf")] == [1, 1, 3, 3, 7]
    assert read["athena_job_run_seconds_sum", ("echo", "cpu")] == 12.5
    assert read["athena_job_run_seconds_count", ("echo", "cpu")] == 7


def test_sizes_between_two_limits_are_in_the_larger_bucket() -> None:
    read = values(Sample(BATCH_SIZE, ("echo", "cpu"), Histogram({3: 5, 200: 1}, 215)))

    assert read["athena_batch_size_bucket", ("echo", "cpu", "2.0")] == 0
    assert read["athena_batch_size_bucket", ("echo", "cpu", "4.0")] == 5
    assert read["athena_batch_size_bucket", ("echo", "cpu", "+Inf")] == 6


def test_families_come_once_each_in_the_order_of_the_table() -> None:
    samples = [Sample(metric, ("x",) * len(metric.labels), value_for(metric)) for metric in METRICS]
    text = written([*reversed(samples), *samples[:1]])

    named = [line.split(" ")[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert named == [metric.name for metric in METRICS]


def value_for(metric: Metric) -> float | Histogram:
    return Histogram({}) if metric.kind == HISTOGRAM else 1


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_keep_prometheus_rules(metric: Metric) -> None:
    assert metric.name.startswith(("athena_", "process_"))
    assert metric.help and "\n" not in metric.help
    assert not metric.name.endswith(("_bucket", "_sum", "_count"))
    assert not set(metric.labels) & {"le", "job_id", "request_id", "incarnation"}
    assert list(metric.buckets) == sorted(metric.buckets)


def test_open_metrics_name_traces_that_show_a_time() -> None:
    examples = {0.05: Example("a" * 32, 0.031, 1700000000.5), math.inf: Example("b" * 32, 400.0, 1.25)}
    spread = Histogram({0.05: 2, math.inf: 1}, 400.1, examples)
    page = Exposition(is_open=True)
    page.add([Sample(JOB_RUN, ("echo", "cpu"), spread), Sample(JOBS_FINISHED, ("echo", "cpu", "failed"), 3)])

    families = {family.name: family for family in open_families(page.text())}

    shown = {
        sample.labels["le"]: sample.exemplar
        for sample in families[JOB_RUN.name].samples
        if "le" in sample.labels
    }
    assert shown["0.05"] is not None and shown["0.05"].labels == {"trace_id": "a" * 32}
    assert (shown["0.05"].value, float(shown["0.05"].timestamp)) == (0.031, 1700000000.5)
    assert shown["+Inf"] is not None and shown["0.025"] is None
    assert [sample.value for sample in families["athena_jobs_finished"].samples] == [3]
    # The other form has no place for them.
    assert "trace_id" not in written([Sample(JOB_RUN, ("echo", "cpu"), spread)])


def test_each_metric_can_be_read_as_open_metrics() -> None:
    page = Exposition(is_open=True)
    page.add(Sample(metric, ("x",) * len(metric.labels), value_for(metric)) for metric in METRICS)

    assert len(list(open_families(page.text()))) == len(METRICS)
