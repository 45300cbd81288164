"""Spans on their way to a collector, by OpenTelemetry's own exporter (the extra `otel`)."""

import threading
from collections.abc import Iterable
from typing import Any

from athena.telemetry.spans import CONSUMER, INTERNAL, SERVER, Span
from athena.telemetry.trace_context import TraceContext

#: How long a process that ends waits for its last spans to be taken.
FLUSH_S = 2.0

#: What is behind the address of a collector (OTLP over HTTP).
_PATH = "/v1/traces"


class Otlp:
    """Sends spans to a collector; a thread of its own does, so that nobody waits for it.

    The exporter's own variables hold beside our setting: `OTEL_EXPORTER_OTLP_HEADERS`,
    `OTEL_EXPORTER_OTLP_CERTIFICATE`, `OTEL_BSP_SCHEDULE_DELAY`, `OTEL_RESOURCE_ATTRIBUTES` and others.
    """

    def __init__(self, endpoint: str, attributes: dict[str, str]) -> None:
        # Here, and not at the top: most processes send no spans, and many have no such library.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._resource = Resource.create(dict(attributes))
        self._processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _PATH))

    def add(self, spans: Iterable[Span]) -> None:
        """Sends spans soon; of very many the last are dropped."""
        for span in spans:
            self._processor.on_end(_readable(span, self._resource))

    def close(self) -> None:
        """Sends what is left, as far as a collector takes it soon."""
        # A collector that is away is tried again and again, for longer than a process has to end.
        ending = threading.Thread(target=self._processor.shutdown, daemon=True)
        ending.start()
        ending.join(FLUSH_S)


def make_otlp(endpoint: str, process: str, instance: str) -> Otlp | None:
    """Returns what sends the spans of this process; None where there is no collector."""
    if not endpoint:
        return None
    return Otlp(endpoint, {"service.name": f"athena-{process}", "service.instance.id": instance})


def _readable(span: Span, resource: Any) -> Any:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode

    kinds = {SERVER: SpanKind.SERVER, CONSUMER: SpanKind.CONSUMER, INTERNAL: SpanKind.INTERNAL}
    parent = span.context._replace(span_id=span.parent_id) if span.parent_id else None
    return ReadableSpan(
        name=span.name,
        context=_context(span.context),
        parent=_context(parent) if parent is not None else None,
        resource=resource,
        attributes=dict(span.attributes),
        links=[Link(_context(link)) for link in span.links],
        kind=kinds[span.kind],
        status=Status(StatusCode.ERROR if span.is_error else StatusCode.UNSET),
        start_time=span.start_ns,
        end_time=span.end_ns,
    )


def _context(context: TraceContext) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags

    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(
        int(context.trace_id, 16), int(context.span_id, 16), is_remote=False, trace_flags=flags
    )
