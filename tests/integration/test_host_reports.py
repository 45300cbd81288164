"""What supervisors tell of their hosts, in a real Redis: renewed, withdrawn, forgotten."""

import time

import pytest
import redis

from athena.devices.inventory import Inventory
from athena.fleet.host_report import HostReport, WorkerStatus
from athena.fleet.view import REROUTE_AFTER_S
from athena.operations.queues import list_hosts
from athena.operations.steps import run_steps
from athena.protocol.interface import Interface, Limits
from athena.settings import from_env
from athena.store.keys import ABILITIES, BEATS, FAILURES, HOSTS, ORDERS, SIZES, WORKERS
from athena.store.link import BlockingLink
from athena.supervisor.heartbeat import FORGET_HOST_S, FleetKeeper

pytestmark = pytest.mark.redis


def report(host: str, age_s: float = 0) -> bytes:
    told_ms = int((time.time() - age_s) * 1000)
    return HostReport(host, told_ms, told_ms, Inventory("no driver")).encode()


def hosts(url: str) -> list[str]:
    link = BlockingLink(url, 5)
    try:
        return [item.host for item in run_steps(list_hosts(), link.execute)]
    finally:
        link.close()


def test_withdrawn_host_is_not_told_of_again(redis_client: redis.Redis, redis_server: str) -> None:
    keeper = FleetKeeper(redis_server, from_env({}))
    keeper.publish_host("a:1", report("a"))
    keeper.on_tick(time.monotonic())
    before = hosts(redis_server)

    keeper.publish_host("a:1", report("a"))
    keeper.withdraw_hosts()
    keeper.on_tick(time.monotonic() + 60)

    assert before == ["a"]
    assert hosts(redis_server) == []


def test_host_that_is_silent_for_long_is_forgotten(redis_client: redis.Redis, redis_server: str) -> None:
    redis_client.hset(HOSTS, "old:1", report("old", FORGET_HOST_S + 60))
    redis_client.hset(HOSTS, "away:1", report("away", FORGET_HOST_S / 2))
    keeper = FleetKeeper(redis_server, from_env({}))

    keeper.on_tick(time.monotonic())

    assert hosts(redis_server) == ["away"]


def test_supervisor_sees_what_loads_elsewhere(redis_client: redis.Redis, redis_server: str) -> None:
    worker = WorkerStatus("echo@b", "echo", "A100G80", "GPU-1", "loading")
    told_ms = int(time.time() * 1000)
    loading = HostReport("b", told_ms, told_ms, Inventory(), (), (worker,))
    redis_client.hset(HOSTS, "b:1", loading.encode())
    keeper = FleetKeeper(redis_server, from_env({}))
    echo = Interface("echo", "v1", "", (), (), (), ("T4G16",), True, Limits())

    keeper.on_tick(time.monotonic())

    later_s = time.monotonic() + REROUTE_AFTER_S
    assert keeper._observer.fleet.rerouting(later_s, echo).live == {"any", "A100G80", "GPU-1"}


@pytest.mark.parametrize("nonsense", [b"{}", b"no JSON", b"\xff", b'{"workers": ["loading"], "told_ms": 1}'])
@pytest.mark.parametrize("key", [WORKERS, BEATS, ABILITIES, FAILURES, HOSTS, ORDERS, SIZES])
def test_entry_that_cannot_be_read_ends_no_supervisor(
    redis_client: redis.Redis, redis_server: str, key: str, nonsense: bytes
) -> None:
    redis_client.hset(key, "x", nonsense)
    keeper = FleetKeeper(redis_server, from_env({}))
    keeper.publish_host("a:1", report("a"))

    for second in range(3):
        keeper.on_tick(1000.0 + second)

    assert keeper.in_contact_since_s == 1000
    assert redis_client.hkeys(HOSTS) == [b"a:1"]
