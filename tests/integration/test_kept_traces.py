"""Spans that are kept in Redis: of so many jobs, and not where it is full."""

import pytest
import redis

from athena.operations.steps import run_steps
from athena.operations.traces import list_traces, show_trace
from athena.store import keys
from athena.store.books import traces
from athena.store.books.traces import Exemplar, exemplars_command, keep_trace_command, read_exemplars
from athena.store.scripts import pairs
from athena.telemetry.spans import INTERNAL, Span
from athena.telemetry.trace_context import TraceContext
from tests.integration.conftest import Store

SPAN = Span("run", TraceContext("a" * 32, "b" * 16), "", INTERNAL, 10, 20, {"athena.service_id": "echo"})


def keep(store: Store, job_id: str, *spans: Span, exemplars: tuple[Exemplar, ...] = ()) -> object:
    return store.run(keep_trace_command(job_id, "echo", 60, [span.encode() for span in spans], exemplars))


def test_spans_come_from_several_and_go_in_time(store: Store, redis_client: "redis.Redis") -> None:
    later = SPAN._replace(name="later", start_ns=15)
    keep(store, "j1", later)
    keep(store, "j1", SPAN)

    assert run_steps(show_trace("j1"), store.run) == [SPAN, later]
    assert run_steps(show_trace("j2"), store.run) == []
    assert 0 < redis_client.ttl(keys.trace_key("j1")) <= 60


def test_oldest_are_pushed_out(
    store: Store, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "KEPT_TRACES", 3)
    for number in range(5):
        # The order is that of times in milliseconds, then of names.
        keep(store, f"j{number}", SPAN)

    assert [trace.job_id for trace in run_steps(list_traces(10), store.run)] == ["j4", "j3", "j2"]
    assert sorted(redis_client.keys("athena:trace:*")) == [
        b"athena:trace:j2",
        b"athena:trace:j3",
        b"athena:trace:j4",
    ]


def test_job_that_was_not_slow_is_an_example_alone(store: Store, redis_client: "redis.Redis") -> None:
    exemplar = Exemplar("run 5 cpu", "a" * 32, 0.004, 1.5)
    keep(store, "j1", exemplars=(exemplar,))

    raw = pairs(store.run(exemplars_command("echo")))
    assert read_exemplars(raw) == {"run 5 cpu": exemplar}
    assert not redis_client.exists(keys.TRACES)


def test_full_redis_keeps_none_and_nobody_hears_of_it(store: Store, redis_client: "redis.Redis") -> None:
    redis_client.config_set("maxmemory", 1)
    try:
        assert keep(store, "j1", SPAN) == 0
    finally:
        redis_client.config_set("maxmemory", 0)

    assert not redis_client.exists(keys.TRACES)
