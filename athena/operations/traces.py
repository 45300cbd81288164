"""The spans that are kept of slow jobs."""

from collections.abc import Sequence
from typing import NamedTuple

from athena.operations.steps import Step, Steps
from athena.store.books.traces import (
    Exemplar,
    exemplars_command,
    read_exemplars,
    spans_command,
    traced_jobs_command,
)
from athena.store.scripts import pairs
from athena.telemetry.spans import Span


class KeptTrace(NamedTuple):
    """A job of which spans are kept; these in the order of their beginning."""

    job_id: str
    spans: list[Span]


def show_trace(job_id: str) -> Steps[list[Span]]:
    """Returns the spans that are kept of a job; none where it was not traced, or not slow, or long ago."""
    return _spans((yield spans_command(job_id)))


def list_traces(limit: int) -> Steps[list[KeptTrace]]:
    """Lists jobs of which spans are kept, the last one first."""
    ids = [raw.decode() for raw in (yield traced_jobs_command(limit))]
    commands: list[Step] = [spans_command(job_id) for job_id in ids]
    replies = (yield commands) if commands else []
    kept = [KeptTrace(job_id, _spans(reply)) for job_id, reply in zip(ids, replies, strict=True)]
    # The spans of some have expired.
    return [trace for trace in kept if trace.spans]


def list_exemplars(service_ids: Sequence[str]) -> Steps[dict[str, list[Exemplar]]]:
    """Lists by ability the traces that show its times."""
    commands: list[Step] = [exemplars_command(service_id) for service_id in service_ids]
    replies = (yield commands) if commands else []
    return {
        service_id: list(read_exemplars(pairs(reply)).values())
        for service_id, reply in zip(service_ids, replies, strict=True)
    }


def _spans(reply: list[bytes]) -> list[Span]:
    spans = [span for span in map(Span.decode, reply) if span is not None]
    return sorted(spans, key=lambda span: (span.start_ns, -span.end_ns))
