import pytest

from athena.telemetry.spans import INTERNAL, Span
from athena.telemetry.trace_context import Carried, TraceContext, read_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "hello",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
    ],
)
def test_header_that_is_not_valid_counts_as_none(header: str) -> None:
    assert read_traceparent(header) is None


@pytest.mark.parametrize(
    ("header", "is_sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"01-{TRACE}-{SPAN}-01-of a later version", True),
        (f"  00-{TRACE}-{SPAN}-01 ", True),
    ],
)
def test_header_is_read(header: str, is_sampled: bool) -> None:
    assert read_traceparent(header) == TraceContext(TRACE, SPAN, is_sampled)


def test_context_is_written_as_it_is_read() -> None:
    context = TraceContext(TRACE, SPAN)

    assert context.header() == f"00-{TRACE}-{SPAN}-01"
    assert read_traceparent(context._replace(is_sampled=False).header()) == (TRACE, SPAN, False)


def test_what_a_message_carries_is_read_back() -> None:
    carried = Carried(TraceContext(TRACE, SPAN), 1_700_000_000_123_456_789)

    assert Carried.decode(carried.encode()) == carried
    for broken in ("", "x", f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01 soon"):
        assert Carried.decode(broken) is None


def test_span_is_read_as_it_was_kept() -> None:
    context = TraceContext(TRACE, SPAN)
    span = Span("run", context, SPAN, INTERNAL, 1, 2, {"athena.batch_size": 2}, (context,), True)

    assert Span.decode(span.encode()) == span
    for broken in (b"", b"[]", b"{}", span.encode().replace(b"00-4bf", b"00-xxx")):
        assert Span.decode(broken) is None
