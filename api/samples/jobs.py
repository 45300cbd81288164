"""What became of jobs and of worker processes, and how long it took, for Prometheus."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping

from athena.store.books.counts import Spread, Survey
from athena.store.books.traces import Exemplar
from athena.telemetry.metrics import (
    BATCH_SIZE,
    JOB_ATTEMPTS,
    JOB_BATCH_WAIT,
    JOB_BYTES,
    JOB_QUEUE_WAIT,
    JOB_RETRIES,
    JOB_RUN,
    JOB_TOTAL,
    JOBS_FINISHED,
    JOBS_MOVED,
    JOBS_OPEN,
    JOBS_PUT_OFF,
    JOBS_REJECTED,
    JOBS_SUBMITTED,
    MODEL_LOAD,
    WORKER_BREAKS,
    WORKER_EXITS,
    Example,
    Histogram,
    Sample,
)

_TIMES = {"wait": JOB_QUEUE_WAIT, "held": JOB_BATCH_WAIT, "run": JOB_RUN, "total": JOB_TOTAL}


#: What is measured, and GPU type -> upper limit of a bucket, in seconds -> a trace that shows such a time.
Examples = Mapping[tuple[str, str], Mapping[float, Example]]

NO_EXAMPLES: Examples = {}


def job_samples(survey: Survey, examples: Examples = NO_EXAMPLES) -> Iterator[Sample]:
    """Returns what is counted of an ability."""
    service_id, counts = survey.service_id, survey.counts
    for lane, count in survey.submitted().items():
        yield Sample(JOBS_SUBMITTED, (service_id, lane), count)
    for (reason,), count in counts.of("refused").items():
        yield Sample(JOBS_REJECTED, (service_id, reason), count)
    # The metric's labels are the other way round.
    for metric, kind in ((JOBS_FINISHED, "end"), (WORKER_EXITS, "exit")):
        for (word, gpu_type), count in counts.of(kind).items():
            yield Sample(metric, (service_id, gpu_type, word), count)
    for (gpu_type,), load_ms in counts.of("loaded_ms").items():
        yield Sample(MODEL_LOAD, (service_id, gpu_type), load_ms / 1000)
    yield Sample(JOBS_MOVED, (service_id,), sum(counts.of("moved").values()))
    yield Sample(JOB_RETRIES, (service_id,), survey.retries)
    yield Sample(WORKER_BREAKS, (service_id,), survey.breaks)
    yield Sample(JOBS_OPEN, (service_id,), survey.open_jobs)
    yield Sample(JOBS_PUT_OFF, (service_id,), survey.put_off_jobs)
    yield from _attempts(survey)
    yield from _spreads(survey, examples)


def _attempts(survey: Survey) -> Iterator[Sample]:
    counts = survey.counts
    tries = counts.of("try")
    for (result, gpu_type), count in tries.items():
        yield Sample(JOB_ATTEMPTS, (survey.service_id, gpu_type, result), count)
    # Runs that came to their end; those that are tried again are told of above.
    for gpu_type, spread in counts.spread("run").items():
        ended = spread.count - tries.get(("retried", gpu_type), 0)
        yield Sample(JOB_ATTEMPTS, (survey.service_id, gpu_type, "ended"), ended)


def _spreads(survey: Survey, examples: Examples) -> Iterator[Sample]:
    for what, metric in _TIMES.items():
        for gpu_type, spread in survey.counts.spread(what).items():
            shown = in_seconds(spread, examples.get((what, gpu_type)))
            yield Sample(metric, (survey.service_id, gpu_type), shown)
    for spread in survey.counts.spread("job_bytes").values():
        yield Sample(JOB_BYTES, (survey.service_id,), Histogram(spread.buckets, spread.total))
    for gpu_type, spread in survey.counts.spread("batch").items():
        yield Sample(BATCH_SIZE, (survey.service_id, gpu_type), Histogram(spread.buckets, spread.total))


def in_seconds(spread: Spread, examples: Mapping[float, Example] | None = None) -> Histogram:
    """Returns times, which are kept in milliseconds, as Prometheus wants them."""
    buckets = {limit / 1000: count for limit, count in spread.buckets.items()}
    return Histogram(buckets, round(spread.total / 1000, 4), examples or {})


def examples_of(exemplars: Iterable[Exemplar]) -> Examples:
    """Returns the traces that are kept as examples of an ability's times."""
    found: dict[tuple[str, str], dict[float, Example]] = {}
    for item in exemplars:
        kind, limit, gpu_type = (*item.field.split(" ", 2), "")[:3]
        with contextlib.suppress(ValueError):
            example = Example(item.trace_id, item.seconds, item.at_s)
            found.setdefault((kind.removesuffix("_le"), gpu_type), {})[float(limit) / 1000] = example
    return found
