"""Which trace something belongs to, as W3C's `traceparent` tells it; pure."""

import re
import secrets
from typing import NamedTuple

#: The version that is written. Later ones are read as far as this one goes, as the recommendation says.
_VERSION = "00"

_HEADER = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")

_SAMPLED = 0x01


class TraceContext(NamedTuple):
    """A trace, and the span in it that what comes next belongs to.

    Attributes:
        trace_id: 32 hexadecimal digits.
        span_id: 16 of them.
        is_sampled: whether its spans are recorded.
    """

    trace_id: str
    span_id: str
    is_sampled: bool = True

    def header(self) -> str:
        """Returns it as `traceparent`."""
        return f"{_VERSION}-{self.trace_id}-{self.span_id}-{_SAMPLED if self.is_sampled else 0:02x}"


def read_traceparent(text: str) -> TraceContext | None:
    """Reads the header; None for one that is not valid, which counts as none."""
    found = _HEADER.fullmatch(text.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == _VERSION and rest) or not trace_id.strip("0") or not span_id.strip("0"):
        return None
    return TraceContext(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def new_trace_id() -> str:
    """Returns the id of a trace that nobody has."""
    return secrets.token_hex(16)


def new_span_id() -> str:
    """Returns the id of a span that nobody has."""
    return secrets.token_hex(8)


class Carried(NamedTuple):
    """What a queue message carries of a trace.

    Attributes:
        context: the span of the request that has made the job.
        sent_ns: when the job was sent to its queue, in nanoseconds since 1970.
    """

    context: TraceContext
    sent_ns: int

    def encode(self) -> str:
        """Returns it as text."""
        return f"{self.context.header()} {self.sent_ns}"

    @classmethod
    def decode(cls, text: str) -> "Carried | None":
        """Reads what `encode` wrote; None for anything else."""
        header, _, sent_ns = text.partition(" ")
        context = read_traceparent(header)
        return cls(context, int(sent_ns)) if context is not None and sent_ns.isdecimal() else None
