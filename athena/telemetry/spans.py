"""Spans: what a job or a request did from when to when; pure."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from athena.telemetry.trace_context import TraceContext, read_traceparent

#: Kinds of spans, by the words of OpenTelemetry.
SERVER, CONSUMER, INTERNAL = "server", "consumer", "internal"

Attributes = Mapping[str, str | int | float]


class Span(NamedTuple):
    """A span that has ended.

    Attributes:
        context: the trace and the span's own id.
        parent_id: the span that it is part of; "" for none.
        start_ns: when it began, in nanoseconds since 1970.
        end_ns: when it ended.
        links: other spans that it belongs to as well: those of the jobs that shared its call.
        is_error: whether it came to nothing.
    """

    name: str
    context: TraceContext
    parent_id: str
    kind: str
    start_ns: int
    end_ns: int
    attributes: Attributes
    links: tuple[TraceContext, ...] = ()
    is_error: bool = False

    def encode(self) -> bytes:
        """Returns it as JSON."""
        document = {
            **self._asdict(),
            "context": self.context.header(),
            "links": [link.header() for link in self.links],
        }
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, raw: bytes) -> "Span | None":
        """Reads what `encode` wrote; None for anything else, such as a later version's."""
        try:
            document = json.loads(raw)
            context = read_traceparent(document["context"])
            links = map(read_traceparent, document["links"])
            known = {name: document[name] for name in cls._fields}
        except (ValueError, LookupError, TypeError, AttributeError):
            return None
        if context is None:
            return None
        return cls(
            **{**known, "context": context, "links": tuple(link for link in links if link is not None)}
        )
