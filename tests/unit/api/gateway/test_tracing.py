from typing import Any

import pytest

from api.gateway.gate import Gate, Visit
from api.gateway.gateway import Gateway
from api.gateway.tracing import Tracing
from athena.settings import from_env
from athena.store.scripts import Command
from athena.telemetry.spans import Span
from athena.telemetry.trace_context import Carried

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Kept:
    """What the rule has told."""

    def __init__(self, **settings: str) -> None:
        self.spans: list[Span] = []
        self.commands: list[Command] = []
        self.now_s = 0.0
        self.gate = Gate(lambda: self.now_s)
        environment = {f"ATHENA_{name.upper()}": value for name, value in settings.items()}
        self.gate.add(Tracing(from_env(environment), self, self.commands.append))

    def add(self, spans: list[Span]) -> None:
        self.spans += spans

    def enter(self, *headers: tuple[bytes, bytes], method: bytes = b"POST") -> Visit:
        visit = self.gate.enter(method, b"/echo?key=secret", list(headers), _Transport(), "")  # type: ignore[arg-type]
        assert visit is not None
        return visit

    def answer(self, visit: Visit, seconds: float, status: int = 200) -> None:
        visit.jobs.append(("echo", "j1"))
        self.now_s += seconds
        visit.leave(status)


class _Transport:
    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default


def sampled(flags: str = "01") -> tuple[bytes, bytes]:
    return b"traceparent", f"00-{TRACE}-{CALLER}-{flags}".encode()


def test_word_of_the_caller_comes_before_chance() -> None:
    rare, usual = Kept(trace_ratio="0.0000001"), Kept(trace_ratio="1")

    traced = rare.enter(sampled())
    assert traced.trace is not None and traced.trace.trace_id == TRACE
    assert usual.enter(sampled("00")).trace is None
    assert rare.enter().trace is None
    assert usual.enter().trace is not None


def test_questions_are_not_traced_by_chance() -> None:
    kept = Kept(trace_ratio="1")

    assert kept.enter(method=b"GET").trace is None
    assert kept.enter(sampled(), method=b"GET").trace is not None


def test_request_becomes_a_span_below_its_callers() -> None:
    kept = Kept(trace_ratio="1")
    visit = kept.enter(sampled())

    kept.answer(visit, 0.25, 503)

    (span,) = kept.spans
    assert (span.name, span.parent_id, span.is_error) == ("POST echo", CALLER, True)
    assert span.end_ns - span.start_ns == 250_000_000
    # The query holds keys and signatures.
    assert span.attributes["url.path"] == "/echo"
    assert visit.trace is not None
    carried = Carried.decode(visit.trace.carried())
    assert carried is not None and carried.context == span.context


@pytest.mark.parametrize(("seconds", "spans"), [(0.4, 0), (0.5, 1)])
def test_span_of_a_slow_request_alone_is_kept(seconds: float, spans: int) -> None:
    kept = Kept(trace_ratio="1", trace_slow_s="0.5")

    kept.answer(kept.enter(), seconds)

    (command,) = kept.commands
    assert command[7] == spans
    assert "http_le 500" in command


def rules_of(**settings: str) -> list[str]:
    """Returns the names of the rules of a gateway, in the order in which they are asked."""
    environment = {f"ATHENA_{name.upper()}": value for name, value in settings.items()}
    return [type(rule).__name__ for rule in Gateway(from_env(environment)).gate._rules]


def test_nothing_is_asked_where_traces_are_off() -> None:
    assert "Tracing" not in rules_of()


def test_requests_that_are_refused_for_their_key_are_not_traced() -> None:
    assert rules_of(trace_ratio="1", access="keys")[-1] == "Tracing"
