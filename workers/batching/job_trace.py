"""When a traced job came, began and ended in this worker; pure."""

from collections.abc import Sequence

from athena.telemetry.trace_context import Carried, TraceContext, new_span_id


class JobTrace:
    """The times of one job's stay; they are those of this host's clock, in nanoseconds since 1970.

    Attributes:
        request: the span of the request that has made the job.
        sent_ns: when it was sent to its queue.
        taken_ns: when it came here.
        began_ns: when its call began; 0 while it has not.
        ended_ns: when its call ended.
        own: the span of its stay, and `run` that of its call.
        shared: the calls of the other traced jobs of its batch.
    """

    __slots__ = ("began_ns", "ended_ns", "own", "request", "run", "sent_ns", "shared", "taken_ns")

    def __init__(self, carried: Carried, taken_ns: int) -> None:
        self.request, self.sent_ns = carried
        self.taken_ns = taken_ns
        self.began_ns = self.ended_ns = 0
        self.own = self.request._replace(span_id=new_span_id())
        self.run = self.request._replace(span_id=new_span_id())
        self.shared: tuple[TraceContext, ...] = ()


def begin_call(traces: Sequence[JobTrace], now_ns: int) -> None:
    """The call of these jobs begins."""
    for trace in traces:
        trace.began_ns = now_ns
        trace.shared = tuple(other.run for other in traces if other is not trace)


def end_call(traces: Sequence[JobTrace], now_ns: int) -> None:
    """It has ended."""
    for trace in traces:
        trace.ended_ns = now_ns
