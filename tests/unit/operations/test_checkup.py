"""What `athena doctor` calls wrong, each with a remedy, and what it does not."""

from dataclasses import replace
from typing import Any

import pytest

from athena.devices.inventory import Inventory
from athena.fleet.gateway_report import GatewayReport
from athena.fleet.host_report import HostReport
from athena.fleet.traffic_split import TrafficSplit
from athena.fleet.view import Failure
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.checkup.fleet import Reading, ailments
from athena.operations.queues import AbilityLoad, QueueState

NOW_S = 1_800_000_000.0

INFO = {
    "redis_version": "7.2.4",
    "redis_mode": "standalone",
    "role": "master",
    "maxmemory_policy": "noeviction",
    "aof_enabled": "1",
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "maxmemory": "1000",
    "used_memory": "500",
}
WORKER = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
QUEUE = QueueState("echo.any", 3, False)
HOST = HostReport("host", int(NOW_S * 1000) - 2000, int(NOW_S * 1000), Inventory())
SOUND = Reading(
    info=INFO,
    now_s=NOW_S,
    workers={"w1": WORKER},
    beats={"w1": 8},
    failures={},
    loads=(AbilityLoad("echo", 3, 100, (QUEUE,)),),
    hosts=(HOST,),
)
GATEWAY = GatewayReport("10.0.0.1:30889", "1.2", True, 0.01, 3, 9, 0, 2**20)
EARLIER = replace(SOUND, beats={"w1": 5})


def told(second: Reading, own_clock_s: float = NOW_S, own_version: str = "") -> list[str]:
    return [f"{item.what} | {item.remedy}" for item in ailments(EARLIER, second, own_clock_s, own_version)]


def told_at(seconds: float) -> Reading:
    """Returns a reading whose host told something that long after now, by its own clock."""
    return replace(SOUND, hosts=(replace(HOST, told_ms=int((NOW_S + seconds) * 1000)),))


def with_info(**changes: str) -> Reading:
    return replace(SOUND, info={**INFO, **changes})


def with_queue(**changes: Any) -> Reading:
    return replace(SOUND, loads=(AbilityLoad("echo", 3, 100, (replace(QUEUE, **changes),)),))


def with_gateway(alive: bool = True, **changes: Any) -> Reading:
    host = replace(HOST, version=GATEWAY.version)
    return replace(SOUND, hosts=(host,), gateways=((replace(GATEWAY, **changes), alive),))


def test_sound_system_has_nothing_wrong() -> None:
    assert told(SOUND) == []
    assert told(with_gateway()) == []
    assert told(replace(SOUND, config={"appendfsync": "always", "no-appendfsync-on-rewrite": "no"})) == []
    assert told(replace(SOUND, hosts=(replace(HOST, version="1.2"),)), own_version="1.2") == []
    assert told(SOUND, own_clock_s=NOW_S + 4) == []
    assert told(with_info(maxmemory="0")) == []


@pytest.mark.parametrize(
    ("reading", "what", "remedy"),
    [
        (with_info(maxmemory_policy="allkeys-lru"), "maxmemory-policy of Redis is allkeys-lru", "noeviction"),
        (with_info(redis_version="5.0.1"), "Redis 5.0.1 is too old", "use Redis 6.2 or later"),
        (with_info(aof_enabled="0"), "no append-only file", "CONFIG SET appendonly yes"),
        (with_info(aof_last_write_status="err"), "cannot write to its disk (aof_last", "free space"),
        (with_info(aof_last_bgrewrite_status="err"), "cannot write to its disk (aof_last_bg", "free space"),
        (with_info(latest_fork_usec="2500000"), "answered nobody for 2.5 s", "machine of its own"),
        (
            with_info(maxmemory=str(2**31), total_system_memory=str(2**30)),
            "maxmemory of Redis is 2048 MiB, more than the 1024 MiB",
            "lower it",
        ),
        (
            with_info(maxmemory="0", total_system_memory="1000", used_memory_rss="950"),
            "no memory limit and takes 95%",
            "set maxmemory",
        ),
        (
            with_info(connected_clients="95", maxclients="100"),
            "95 of at most 100 connections",
            "maxclients",
        ),
        (
            replace(SOUND, config={"appendfsync": "no"}),
            "appendfsync of Redis is no",
            "CONFIG SET appendfsync everysec",
        ),
        (
            replace(SOUND, config={"no-appendfsync-on-rewrite": "yes"}),
            "no-appendfsync-on-rewrite of Redis is yes",
            "CONFIG SET no-appendfsync-on-rewrite no",
        ),
        (with_info(used_memory="950"), "uses 95% of its memory limit", "raise maxmemory"),
        (
            told_at(60),
            "the clock of host host is 60 s ahead",
            "time server",
        ),
        (
            told_at(-90),
            "supervisor of host host fell silent 90 s ago",
            "start it again",
        ),
        (replace(SOUND, beats={"w1": 5}), "worker echo.cpu.0@host has no heartbeat", "its supervisor"),
        (
            replace(SOUND, workers={}),
            "no worker serves echo, which has 3 open jobs",
            "athena abilities rm echo",
        ),
        (
            replace(SOUND, failures={"ocr": Failure("no model", NOW_S)}),
            "no worker of ocr starts: no model",
            "tried again",
        ),
        (
            replace(SOUND, failures={"echo": Failure("max_batch must be at least 1", NOW_S)}),
            "a worker of echo was not started or restarted: max_batch must be at least 1",
            "then restart it",
        ),
        (
            with_queue(waits="needs_newer_worker: version 2"),
            "queue echo.any waits: needs_newer_worker: version 2",
            "upgrade the workers",
        ),
        (with_gateway(alive=False), "gateway 10.0.0.1:30889 fell silent", "into its log"),
        (
            with_gateway(lag_s=1.5),
            "the event loop of gateway 10.0.0.1:30889 was late by 1.5 s",
            "another gateway",
        ),
        (with_gateway(held_bytes=2**20), "holds 1 MiB of requests, near its most", "ATHENA_MAX_HELD_BYTES"),
        (with_queue(is_paused=True), "is paused and holds 3 jobs", "athena queues resume echo.any"),
    ],
)
def test_what_is_wrong_is_told_with_its_remedy(reading: Reading, what: str, remedy: str) -> None:
    [line] = told(reading)

    assert what in line.partition(" | ")[0]
    assert remedy in line.partition(" | ")[2]


def test_clock_of_this_host_is_compared_with_that_of_redis() -> None:
    assert "the clock of this host is 9 s behind" in told(SOUND, own_clock_s=NOW_S - 9)[0]


def test_workers_of_several_versions_are_told() -> None:
    other = replace(WORKER, incarnation="w2", version="v2")
    reading = replace(SOUND, workers={"w1": WORKER, "w2": other}, beats={"w1": 8, "w2": 3})

    what, _, remedy = told(reading)[0].partition(" | ")
    assert what == "workers of echo serve versions v1, v2"
    assert remedy == "restart those of the older one: athena workers restart NAME"


def test_share_of_a_version_that_nobody_serves_is_told() -> None:
    reading = replace(SOUND, splits={"echo": TrafficSplit({"v2": 5}, {"partner": "v3"})})

    served = {"w1": WORKER, "w2": replace(WORKER, service_id="echo@v3")}

    assert told(replace(reading, workers=served)) == [
        "no worker serves echo@v2, which has a share of the requests; they go to echo | "
        "start one, or take its share back: athena abilities rollback echo"
    ]


def test_versions_that_work_together_are_told() -> None:
    newer, older = replace(HOST, host="b", version="1.2"), replace(HOST, host="a")
    gateways = ((GATEWAY, True), (replace(GATEWAY, version="0.9", address="x"), False))

    line, _ = sorted(
        told(replace(SOUND, hosts=(newer, older), gateways=gateways), own_version="1.2"), reverse=True
    )

    assert line.startswith(
        "several versions of Athena work together "
        "(1.2: b, gateway 10.0.0.1:30889, this command; an older version: a)"
    )
    assert "workers before gateways" in line


def test_silent_host_counts_for_no_version() -> None:
    silent = replace(HOST, host="b", version="1.1", told_ms=HOST.told_ms - 3_600_000)

    lines = told(replace(SOUND, hosts=(replace(HOST, version="1.2"), silent)), own_version="1.2")

    assert not [line for line in lines if "several versions" in line]


def test_paused_queue_without_jobs_is_as_it_was_meant() -> None:
    assert told(with_queue(is_paused=True, jobs=0)) == []
