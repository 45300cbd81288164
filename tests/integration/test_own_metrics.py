"""What a wrapper counts itself: from its worker's tally through Redis to Prometheus' lines."""

from collections.abc import Sequence
from typing import Any

import pytest
import redis

from api.samples.own import own_samples
from athena.fleet.worker_entry import WorkerEntry
from athena.sdk.metrics import Change, Description
from athena.store import keys
from athena.store.books import own_metrics
from athena.store.books.counts import read_counts
from athena.telemetry.exposition import Exposition
from tests.integration.conftest import Store
from workers.lease.tally import Tally

ENTRY = WorkerEntry("w1", "echo.0@host", "echo", "v1", "cpu", 4)
PAGES = Description("pages", "pages that were read", "counter", ("kind",))
CACHED = Description("cached", "models", "gauge", ())
SECONDS = Description("page_seconds", "times", "histogram", (), (0.1, 1.0))


def tell(store: Store, *changes: Change) -> None:
    given = [list(changes)]
    told = Tally(ENTRY, lambda: given.pop() if given else []).due(5.0)
    assert told is not None
    store.run(told.command)


def lines(client: "redis.Redis", workers: Sequence[str] = (ENTRY.name,)) -> list[str]:
    raw: Any = client.hgetall(keys.counts_key("echo"))
    flat = b"\n".join(item for pair in raw.items() for item in pair)
    page = Exposition()
    page.add(own_samples("echo", read_counts(flat).own, set(workers)))
    return [line for line in page.text().splitlines() if not line.startswith("#")]


@pytest.fixture(autouse=True)
def known(redis_client: "redis.Redis") -> None:
    redis_client.hset(keys.ABILITIES, "echo", "{}")


def test_counters_of_several_workers_and_lives_add_up(store: Store, redis_client: "redis.Redis") -> None:
    for _ in range(2):
        tell(store, Change(PAGES, ("two words\n",), 1.5), Change(PAGES, ("x",), 2))

    assert lines(redis_client) == [
        'athena_wrapper_pages_total{service_id="echo",kind="two words\\n"} 3',
        'athena_wrapper_pages_total{service_id="echo",kind="x"} 4',
    ]


def test_histograms_add_up(store: Store, redis_client: "redis.Redis") -> None:
    for _ in range(2):
        tell(store, Change(SECONDS, (), 7.5, (1, 0, 2)))

    assert lines(redis_client) == [
        'athena_wrapper_page_seconds_bucket{service_id="echo",le="0.1"} 2',
        'athena_wrapper_page_seconds_bucket{service_id="echo",le="1.0"} 2',
        'athena_wrapper_page_seconds_bucket{service_id="echo",le="+Inf"} 6',
        'athena_wrapper_page_seconds_sum{service_id="echo"} 15',
        'athena_wrapper_page_seconds_count{service_id="echo"} 6',
    ]


def test_gauge_goes_with_its_worker(store: Store, redis_client: "redis.Redis") -> None:
    tell(store, Change(CACHED, (), 2))

    assert lines(redis_client) == ['athena_wrapper_cached{service_id="echo",worker="echo.0@host"} 2']
    assert lines(redis_client, ()) == []


def test_waits_for_calls_are_told_once_a_second(store: Store, redis_client: "redis.Redis") -> None:
    tally = Tally(ENTRY, list)
    tally.note_wait(0.004)
    first = tally.due(5.0)
    tally.note_wait(0.004)
    assert first is not None and tally.due(5.5) is None
    second = tally.due(6.0)
    assert second is not None and tally.due(7.0) is None

    for told in (first, second):
        store.run(told.command)

    assert redis_client.hgetall(keys.counts_key("echo")) == {b"held 5 cpu": b"2", b"held_sum cpu": b"80"}


def test_fields_are_bounded_and_what_is_known_goes_on(
    store: Store, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_metrics, "MAX_FIELDS", 2)
    for _ in range(2):
        tell(store, *(Change(PAGES, (str(number),), 1) for number in range(5)))

    assert lines(redis_client) == ['athena_wrapper_pages_total{service_id="echo",kind="0"} 2']


def test_ability_that_was_forgotten_stays_so(store: Store, redis_client: "redis.Redis") -> None:
    redis_client.delete(keys.ABILITIES)
    tell(store, Change(PAGES, ("x",), 1))

    assert not redis_client.exists(keys.counts_key("echo"))


def test_name_of_two_kinds_is_that_of_the_first() -> None:
    page = Exposition()
    for service_id, kind in (("a", "gauge"), ("b", "counter"), ("c", "gauge")):
        about = {"name": "x", "help": "h", "kind": kind, "labels": [], "buckets": []}
        field = b"own_g x [] w" if kind == "gauge" else b"own_c x []"
        fields = {b"own x": str(about).replace("'", '"').encode(), field: b"1"}
        page.add(own_samples(service_id, fields, {"w"}))

    assert [line.split("{")[0] for line in page.text().splitlines()][2:] == ["athena_wrapper_x"] * 2
