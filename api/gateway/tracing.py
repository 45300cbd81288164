"""Requests that are traced, where an operator wants that (`ATHENA_TRACE_RATIO`)."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Protocol

from api.gateway.gate import Rule, Visit
from api.gateway.http_tally import bucket_of
from api.http.heads import Headers
from athena.plain_text import plain_line
from athena.settings import Settings
from athena.store.books.traces import Exemplar, keep_trace_command
from athena.store.scripts import Command
from athena.telemetry.spans import SERVER, Attributes, Span
from athena.telemetry.trace_context import (
    Carried,
    TraceContext,
    new_span_id,
    new_trace_id,
    read_traceparent,
)

_NS = 1_000_000_000
_MAX_PATH_CHARS = 200


class Collector(Protocol):
    """Who is given spans."""

    def add(self, spans: list[Span]) -> None:
        """Takes spans."""


class RequestTrace:
    """One request that is traced.

    Attributes:
        context: its span.
        parent_id: the span of its caller; "" for none.
        began_ns: when its head was whole, in nanoseconds since 1970.
    """

    __slots__ = ("began_ns", "context", "parent_id")

    def __init__(self, context: TraceContext, parent_id: str) -> None:
        self.context, self.parent_id = context, parent_id
        self.began_ns = time.time_ns()

    @property
    def trace_id(self) -> str:
        """Its trace."""
        return self.context.trace_id

    def carried(self) -> str:
        """Returns what the message of a job carries that is sent now."""
        return Carried(self.context, time.time_ns()).encode()


class Tracing(Rule):
    """Decides which requests are traced, and tells how long they took.

    It is asked behind the rules that refuse: of who may not come in there are no traces.

    Args:
        settings: which, and which spans are kept.
        collector: gets all spans; None where there is none.
        send: sends a command to Redis, whose answer nobody waits for.
    """

    def __init__(
        self, settings: Settings, collector: Collector | None, send: Callable[[Command], None]
    ) -> None:
        self._ratio = settings.trace_ratio
        self._slow_s = settings.trace_slow_s
        self._kept_s = settings.record_ttl_s
        self._collector = collector
        self._send = send

    def enter(self, visit: Visit) -> None:
        """Decides by the word of the caller, else by lot."""
        parent = _parent(visit.headers)
        if parent is not None and parent.is_sampled:
            visit.trace = RequestTrace(TraceContext(parent.trace_id, new_span_id()), parent.span_id)
        elif parent is None and visit.method == "POST" and random.random() < self._ratio:
            visit.trace = RequestTrace(TraceContext(new_trace_id(), new_span_id()), "")

    def leave(self, visit: Visit, status: int, seconds: float) -> None:
        """Tells of the request."""
        trace = visit.trace
        if not isinstance(trace, RequestTrace):
            return
        span = Span(
            f"{visit.method} {visit.jobs[0][0]}" if visit.jobs else visit.method,
            trace.context,
            trace.parent_id,
            SERVER,
            trace.began_ns,
            trace.began_ns + int(seconds * _NS),
            _attributes(visit, status),
            is_error=status >= 500,
        )
        if self._collector is not None:
            self._collector.add([span])
        kept = [span.encode()] if seconds >= self._slow_s else []
        for service_id, job_id in visit.jobs:
            examples = self._exemplars(visit, trace, seconds)
            self._send(keep_trace_command(job_id, service_id, self._kept_s, kept, examples))

    def _exemplars(self, visit: Visit, trace: RequestTrace, seconds: float) -> Iterator[Exemplar]:
        # A request for many jobs is counted as one for no ability.
        if len(visit.jobs) == 1:
            yield Exemplar(f"http_le {bucket_of(seconds)}", trace.context.trace_id, seconds, time.time())


def _parent(headers: Headers) -> TraceContext | None:
    for name, value in headers:
        if name == b"traceparent":
            return read_traceparent(value.decode("latin-1"))
    return None


def _attributes(visit: Visit, status: int) -> Attributes:
    path = plain_line(visit.target.partition(b"?")[0].decode("latin-1"), _MAX_PATH_CHARS)
    found: dict[str, str | int | float] = {
        "http.request.method": visit.method,
        "url.path": path,
        "http.response.status_code": status,
    }
    if visit.caller is not None:
        found["athena.app_id"] = visit.caller.app_id
    if len(visit.jobs) == 1:
        found["athena.service_id"], found["athena.job_id"] = visit.jobs[0]
    return found
