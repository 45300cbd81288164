"""What a worker tells of traced jobs: to a collector, and to Redis of those that took long."""

import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import Protocol

from athena.fleet.worker_entry import WorkerEntry
from athena.protocol.enums import JobState
from athena.store.books.counts import INFINITE
from athena.store.books.traces import Exemplar, keep_trace_command
from athena.telemetry.metrics import SECONDS
from athena.telemetry.spans import CONSUMER, INTERNAL, Attributes, Span
from athena.telemetry.trace_context import TraceContext, new_span_id
from workers.batching.job_trace import JobTrace
from workers.batching.jobs import BatchJob
from workers.lease.steps import Tell

_NS = 1_000_000_000


class Collector(Protocol):
    """Who is given spans."""

    def add(self, spans: Iterator[Span]) -> None:
        """Takes spans."""


class Traces:
    """Makes spans of the stays of traced jobs.

    Args:
        entry: the worker.
        slow_s: spans are kept of jobs that took so long.
        kept_s: how long they are kept.
        collector: gets all spans; None where there is none.
    """

    def __init__(self, entry: WorkerEntry, slow_s: float, kept_s: float, collector: Collector | None) -> None:
        self._entry = entry
        self._slow_s = slow_s
        self._kept_s = kept_s
        self._collector = collector

    def close(self, job: BatchJob, trace: JobTrace) -> Tell:
        """A traced job has ended; returns what Redis is told of it."""
        now_ns = time.time_ns()
        spans = list(self._spans(job, trace, now_ns))
        if self._collector is not None:
            self._collector.add(iter(spans))
        is_slow = now_ns - trace.sent_ns >= self._slow_s * _NS
        kept = [span.encode() for span in spans] if is_slow else []
        service_id = self._entry.service_id
        command = keep_trace_command(job.job_id, service_id, self._kept_s, kept, self._exemplars(job, trace))
        return Tell(command, "keep a trace")

    def _spans(self, job: BatchJob, trace: JobTrace, now_ns: int) -> Iterator[Span]:
        service_id = self._entry.service_id
        has_failed = job.outcome is None or job.outcome.state is not JobState.SUCCEEDED
        parent = trace.request.span_id
        yield self._span(f"queue {service_id}", trace, parent, trace.sent_ns, trace.taken_ns)
        about = {**self._attributes(job), "athena.attempt": job.attempt}
        own = (CONSUMER, trace.taken_ns, now_ns, about)
        yield Span(f"job {service_id}", trace.own, parent, *own, is_error=has_failed)
        if trace.began_ns:
            yield self._span("wait", trace, trace.own.span_id, trace.taken_ns, trace.began_ns)
            size = {"athena.batch_size": job.outcome.batch_size if job.outcome is not None else 0}
            run = (INTERNAL, trace.began_ns, trace.ended_ns or now_ns, size)
            yield Span("run", trace.run, trace.own.span_id, *run, trace.shared, has_failed)

    def _span(self, name: str, trace: JobTrace, parent_id: str, start_ns: int, end_ns: int) -> Span:
        context = TraceContext(trace.request.trace_id, new_span_id())
        # The clocks of two hosts differ.
        return Span(name, context, parent_id, INTERNAL, start_ns, max(start_ns, end_ns), {})

    def _attributes(self, job: BatchJob) -> Attributes:
        entry, outcome = self._entry, job.outcome
        end: dict[str, str | int | float] = {}
        if outcome is not None:
            end = {"athena.state": str(outcome.state), "athena.code": outcome.code}
        return {
            "athena.job_id": job.job_id,
            "athena.service_id": entry.service_id,
            "athena.worker": entry.name,
            "athena.gpu_type": entry.gpu_type,
            **end,
        }

    def _exemplars(self, job: BatchJob, trace: JobTrace) -> Iterator[Exemplar]:
        """Returns of which times the job is an example; canaries and their like are in none."""
        if job.outcome is None or not job.outcome.batch_size:
            return
        now_s = time.time()
        run_s = job.outcome.exec_ms / 1000
        total_s = max(0.0, (time.time_ns() - trace.sent_ns) / _NS)
        for what, seconds in (("run", run_s), ("total", total_s), ("wait", max(0.0, total_s - run_s))):
            field = f"{what} {bucket_of(seconds)} {self._entry.gpu_type}"
            yield Exemplar(field, trace.request.trace_id, seconds, now_s)


def bucket_of(seconds: float) -> str:
    """Returns the bucket of a time, as counts name it."""
    at = bisect_left(SECONDS, seconds)
    return str(round(SECONDS[at] * 1000)) if at < len(SECONDS) else INFINITE
