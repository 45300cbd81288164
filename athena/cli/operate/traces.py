"""Traces on a terminal: which part of a job took how long."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from athena.cli.operate.operator import Desk, print_table
from athena.cli.operate.times import clock_text
from athena.jobs.record import JobRecord
from athena.jobs.timeline import Event
from athena.operations.traces import KeptTrace, list_traces
from athena.telemetry.spans import INTERNAL, Span
from athena.telemetry.trace_context import TraceContext

BAR_CHARS = 40
_MS = 1_000_000
_NOTHING = TraceContext("0" * 32, "0" * 16)


def ls_traced(desk: Desk) -> None:
    """Lists the jobs of which spans are kept."""
    traces = desk.run(list_traces(max(1, desk.options.limit)))
    rows = [
        (clock_text(_began_ns(trace) // _MS), trace.job_id, _ability(trace), _ms(_whole_ns(trace.spans)))
        for trace in traces
    ]
    document = [{"id": trace.job_id, "spans": describe(trace.spans)} for trace in traces]
    desk.show(document, lambda: print_table(("TIME", "ID", "ABILITY", "TOOK"), rows))


def describe(spans: Sequence[Span]) -> list[dict[str, Any]]:
    """Returns spans for programs."""
    return [
        {
            "name": span.name,
            "trace_id": span.context.trace_id,
            "span_id": span.context.span_id,
            "parent_id": span.parent_id or None,
            "start_ns": span.start_ns,
            "end_ns": span.end_ns,
            "attributes": dict(span.attributes),
            "links": [link.span_id for link in span.links],
            "is_error": span.is_error,
        }
        for span in spans
    ]


def print_trace(spans: Sequence[Span]) -> None:
    """Prints spans as a tree, each with its time and where in the whole it lies."""
    if not spans:
        print("no times are known of this job")
        return
    began_ns, whole_ns = min(span.start_ns for span in spans), _whole_ns(spans)
    rows = []
    for depth, span in _tree(spans):
        start_ns, took_ns = span.start_ns - began_ns, span.end_ns - span.start_ns
        name = "  " * depth + span.name + (" !" if span.is_error else "")
        rows.append((name, _ms(start_ns), _ms(took_ns), _bar(start_ns, took_ns, whole_ns), _shared(span)))
    if spans[0].context.trace_id != _NOTHING.trace_id:
        print(f"trace {spans[0].context.trace_id}")
    print_table(("SPAN", "BEGAN", "TOOK", "", "SHARED WITH"), rows)


def spans_of(job: JobRecord) -> list[Span]:
    """Returns what a job's record tells of its times, where no spans are kept: from event to event."""
    events = [event for event in job.timeline() if event.at_ms]
    return [_between(before, after) for before, after in pairwise(events)]


def _between(before: Event, after: Event) -> Span:
    name, times = f"{before.event} .. {after.event}", (before.at_ms * _MS, after.at_ms * _MS)
    return Span(name, _NOTHING, "", INTERNAL, *times, {})


def _tree(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Yields spans below those that they are part of; one whose whole is not known stands for itself."""
    known = {span.context.span_id for span in spans}

    def below(parent_id: str, depth: int) -> Iterator[tuple[int, Span]]:
        for span in (span for span in spans if span.parent_id == parent_id):
            yield depth, span
            yield from below(span.context.span_id, depth + 1)

    for span in spans:
        if span.parent_id not in known:
            yield 0, span
            if span.context is not _NOTHING:
                yield from below(span.context.span_id, 1)


def _bar(start_ns: int, took_ns: int, whole_ns: int) -> str:
    at = start_ns * BAR_CHARS // max(1, whole_ns)
    length = max(1, took_ns * BAR_CHARS // max(1, whole_ns))
    return ("." * min(at, BAR_CHARS - 1) + "#" * length)[:BAR_CHARS].ljust(BAR_CHARS, ".")


def _shared(span: Span) -> str:
    return f"{len(span.links)} other traced jobs" if span.links else ""


def _ms(nanoseconds: int) -> str:
    return f"{nanoseconds / _MS:.1f} ms"


def _whole_ns(spans: Sequence[Span]) -> int:
    return max(span.end_ns for span in spans) - min(span.start_ns for span in spans)


def _began_ns(trace: KeptTrace) -> int:
    return min(span.start_ns for span in trace.spans)


def _ability(trace: KeptTrace) -> Any:
    name = "athena.service_id"
    return next((span.attributes[name] for span in trace.spans if name in span.attributes), "")
