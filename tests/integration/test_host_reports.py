"""What supervisors tell of their hosts, in a real Redis: renewed, withdrawn, forgotten."""

import time

import pytest
import redis

from athena.fleet_keeper import FORGET_HOST_S, FleetKeeper
from athena.fleet_operations import list_hosts
from athena.host_report import HostReport
from athena.inventory import Inventory
from athena.keys import HOSTS
from athena.settings import from_env
from athena.steps import run_steps

pytestmark = pytest.mark.redis


def report(host: str, age_s: float = 0) -> bytes:
    told_ms = int((time.time() - age_s) * 1000)
    return HostReport(host, told_ms, told_ms, Inventory("no driver")).encode()


def hosts(client: redis.Redis) -> list[str]:
    def execute(command: tuple[str | bytes | int, ...]) -> object:
        return client.execute_command(*command)  # type: ignore[no-untyped-call]

    return [item.host for item in run_steps(list_hosts(), execute)]


def test_withdrawn_host_is_not_told_of_again(redis_client: redis.Redis, redis_server: str) -> None:
    keeper = FleetKeeper(redis_server, from_env({}))
    keeper.publish_host("a:1", report("a"))
    keeper.on_tick(time.monotonic())
    before = hosts(redis_client)

    keeper.publish_host("a:1", report("a"))
    keeper.withdraw_hosts()
    keeper.on_tick(time.monotonic() + 60)

    assert before == ["a"]
    assert hosts(redis_client) == []


def test_host_that_is_silent_for_long_is_forgotten(redis_client: redis.Redis, redis_server: str) -> None:
    redis_client.hset(HOSTS, "old:1", report("old", FORGET_HOST_S + 60))
    redis_client.hset(HOSTS, "away:1", report("away", FORGET_HOST_S / 2))
    keeper = FleetKeeper(redis_server, from_env({}))

    keeper.on_tick(time.monotonic())

    assert hosts(redis_client) == ["away"]
