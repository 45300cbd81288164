"""A real master, its replica and three sentinels: every kind of connection finds the master of the moment."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import redis

from api.redis.link import RedisLink, Subscriber
from athena.errors import ConfigError, StoreError
from athena.settings import from_env
from athena.store.address import RedisAddress, parse_address
from athena.store.checks import check_redis
from athena.store.connections import client_of
from athena.store.fencing import beat_command
from athena.store.keys import FAILURES
from athena.store.link import BlockingLink
from athena.supervisor.heartbeat import FleetKeeper
from tests.conftest import wait_until
from tests.redis_servers import SENTINEL_PASSWORD, SentinelSet, Server, sentinel_set
from workers.lease.payloads import Payloads

pytestmark = pytest.mark.redis

TIMEOUT_S = 1.0


@pytest.fixture(scope="module")
def shared() -> Iterator[SentinelSet]:
    with sentinel_set() as running:
        yield running


@pytest.fixture
def sentinels(shared: SentinelSet) -> SentinelSet:
    """A set that is whole, and that the test may fail over but not damage."""
    shared.wait_for_replica()
    return shared


@pytest.fixture
def address(sentinels: SentinelSet) -> RedisAddress:
    return parse_address(sentinels.url, sentinel_password=SENTINEL_PASSWORD)


class Gateway:
    """The connections of a gateway."""

    def __init__(self, address: RedisAddress) -> None:
        self.heard: list[bytes] = []
        self.link = RedisLink(address, TIMEOUT_S)
        self.subscriber = Subscriber(address, TIMEOUT_S, "news", self.heard.append, lambda: None)

    async def set(self, key: str, value: str) -> bool:
        """Tries to write once."""
        with suppress(StoreError):
            return bool(await self.link.execute(("SET", key, value)) == b"OK")
        return False

    async def hears(self, text: str) -> bool:
        """Tries to publish once, and says whether the subscriber has heard it by now."""
        with suppress(StoreError):
            await self.link.execute(("PUBLISH", "news", text))
        return text.encode() in self.heard


@asynccontextmanager
async def gateway(address: RedisAddress) -> AsyncIterator[Gateway]:
    made = Gateway(address)
    made.link.start()
    made.subscriber.start()
    try:
        yield made
    finally:
        await made.subscriber.close()
        await made.link.close()


async def eventually(attempt: Any, what: str, timeout_s: float = 30.0) -> None:
    """Waits until an attempt, a coroutine function, succeeds."""
    try:
        async with asyncio.timeout(timeout_s):
            while not await attempt():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not in time: {what}") from None


def demote(sentinels: SentinelSet) -> Server:
    """Makes the other server the master, and returns the old one, which lives on."""
    sentinels.wait_for_replica()
    old = sentinels.master

    def is_accepted() -> bool:
        # Refused for some seconds after the last one.
        with suppress(redis.ResponseError):
            return bool(sentinels.sentinels[0].ask("SENTINEL", "FAILOVER", "main"))
        return False

    wait_until(is_accepted, "the sentinels begin a failover", 30)
    return old


def test_gateway_finds_the_new_master(sentinels: SentinelSet, address: RedisAddress) -> None:
    def value() -> Any:
        with client_of(address, TIMEOUT_S) as client:
            return client.get("k")

    async def scenario() -> None:
        async with gateway(address) as made:

            async def arrives() -> bool:
                # The old master takes writes until a sentinel tells it; these are lost.
                return await made.set("k", "after") and await asyncio.to_thread(value) == b"after"

            await eventually(lambda: made.set("k", "before"), "the link writes")
            await eventually(lambda: made.hears("before"), "the subscriber hears")
            old = await asyncio.to_thread(demote, sentinels)
            await asyncio.to_thread(sentinels.wait_for_other_master, old)
            await eventually(arrives, "the link writes to the new master")
            await eventually(lambda: made.hears("after"), "the subscriber hears from the new master")

    asyncio.run(scenario())


def test_worker_and_supervisor_find_the_new_master(sentinels: SentinelSet, address: RedisAddress) -> None:
    link, keeper = BlockingLink(address, TIMEOUT_S), FleetKeeper(address, from_env({}))
    payloads = Payloads(address, TIMEOUT_S)
    assert link.run([("SET", "k", "before")]) == [b"OK"]
    keeper.tell_failure("before", "")

    old = demote(sentinels)
    sentinels.wait_for_other_master(old)

    def worker_writes() -> bool:
        with suppress(redis.RedisError):
            return link.run([("SET", "k", "after"), beat_command(["w"])]) == [b"OK", [[b"0", []]]]
        return False

    def supervisor_writes() -> bool:
        keeper.tell_failure("after", "")
        with suppress(redis.RedisError):
            return link.run([("HEXISTS", FAILURES, "after")]) == [1]
        return False

    wait_until(worker_writes, "the worker writes to the new master", 30)
    wait_until(supervisor_writes, "the supervisor writes to the new master", 30)
    assert payloads.read("nobody") is None
    link.close()
    payloads.close()


def test_master_that_hangs_is_left(sentinels: SentinelSet, address: RedisAddress) -> None:
    link = BlockingLink(address, TIMEOUT_S)
    assert link.run([("PING",)]) == [b"PONG"]
    old = sentinels.master

    def writes() -> bool:
        with suppress(redis.RedisError):
            return link.run([("SET", "k", "after")]) == [b"OK"]
        return False

    with old.stopped():
        sentinels.wait_for_other_master(old)
        wait_until(writes, "the worker writes to the new master", 30)
    sentinels.wait_for_replica()

    assert old.ask("ROLE")[0] == b"slave"
    assert link.run([("GET", "k")]) == [b"after"]
    link.close()


def test_script_that_a_replica_refuses_breaks_the_connection(sentinels: SentinelSet) -> None:
    """A master by its own address, which became a replica: redis:// behind a name that moves."""
    old = sentinels.master
    link = BlockingLink(f"redis://:p%40ss%2Fword@127.0.0.1:{old.port}/2", TIMEOUT_S)
    link.run([("PING",)])
    demote(sentinels)
    wait_until(lambda: old.ask("ROLE")[0] == b"slave", "the old master is a replica", 30)

    def is_told() -> bool:
        try:
            link.run([beat_command(["w"])])
        except redis.ConnectionError as error:
            return "is a replica now" in str(error)
        return False

    wait_until(is_told, "the connection breaks")
    link.close()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("/main/", "/other/"), "names a master 'other': they do not know it"),
        (("p%40ss", "wrong"), "invalid username-password pair"),
    ],
)
def test_wrong_name_or_password_is_refused(
    sentinels: SentinelSet, change: tuple[str, str], text: str
) -> None:
    url = sentinels.url.replace(*change)

    with pytest.raises(ConfigError, match=text) as caught:
        check_redis(parse_address(url, sentinel_password=SENTINEL_PASSWORD))

    assert "Redis does not answer" in caught.value.message


def test_sentinels_that_ask_for_a_password_are_told_apart(sentinels: SentinelSet) -> None:
    with pytest.raises(ConfigError, match="ask for a password, which ATHENA_SENTINEL_PASSWORD sets"):
        check_redis(sentinels.url)


def test_sentinel_taken_for_a_server_is_refused(sentinels: SentinelSet) -> None:
    port = sentinels.sentinels[0].port

    with pytest.raises(ConfigError, match="this is a Sentinel, not a Redis: write sentinel://"):
        check_redis(f"redis://:{SENTINEL_PASSWORD}@127.0.0.1:{port}")


def test_replica_is_refused(sentinels: SentinelSet) -> None:
    sentinels.wait_for_replica()
    master = sentinels.master
    port = next(node.port for node in sentinels.nodes if node is not master)

    with pytest.raises(ConfigError, match="is a replica and takes no jobs"):
        check_redis(f"redis://:p%40ss%2Fword@127.0.0.1:{port}")


def test_all_find_the_new_master_when_the_old_one_and_a_sentinel_die() -> None:
    with sentinel_set() as damaged:
        address = parse_address(damaged.url, sentinel_password=SENTINEL_PASSWORD)
        link = BlockingLink(address, TIMEOUT_S)
        assert link.run([("SET", "k", "before")]) == [b"OK"]

        async def scenario() -> None:
            async with gateway(address) as made:
                await eventually(lambda: made.hears("before"), "the subscriber hears")
                old = damaged.master
                old.kill()
                damaged.sentinels[0].kill()
                await asyncio.to_thread(damaged.wait_for_other_master, old)
                await eventually(lambda: made.set("k", "after"), "the link writes to the new master")
                await eventually(lambda: made.hears("after"), "the subscriber hears from the new master")

        asyncio.run(scenario())

        def worker_reads() -> bool:
            with suppress(redis.RedisError):
                return link.run([("GET", "k")]) == [b"after"]
            return False

        wait_until(worker_reads, "the worker reads from the new master", 30)
        check_redis(address)
        link.close()
