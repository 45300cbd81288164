"""Redis over TLS: whom we trust, and that every kind of connection works and comes back."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from api.redis.link import RedisLink, Subscriber
from athena.errors import ConfigError, StoreError
from athena.settings import from_env
from athena.store.address import RedisAddress, RedisTls, parse_address
from athena.store.checks import check_redis
from athena.store.fencing import beat_command
from athena.store.link import BlockingLink
from athena.supervisor.heartbeat import FleetKeeper
from tests.conftest import wait_until
from tests.integration.test_redis_link import eventually
from tests.redis_servers import Server, TlsProxy, tls_server
from workers.lease.payloads import Payloads

pytestmark = pytest.mark.redis

TIMEOUT_S = 5.0


class Tls:
    """A server behind TLS, and the files that belong to it."""

    def __init__(self, folder: Path, server: Server, proxy: TlsProxy) -> None:
        self.folder = folder
        self.server = server
        self.proxy = proxy

    def address(self, authority: str = "ca", host: str = "localhost") -> RedisAddress:
        tls = RedisTls(ca_file=str(self.folder / f"{authority}.pem") if authority else "")
        return parse_address(f"rediss://:p%40ss%2Fword@{host}:{self.proxy.port}/1", tls)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tls]:
    folder = tmp_path_factory.mktemp("tls")
    with tls_server(folder) as (server, proxy):
        yield Tls(folder, server, proxy)


def test_server_whose_authority_is_named_is_trusted(tls: Tls) -> None:
    check_redis(tls.address())


@pytest.mark.parametrize(
    ("authority", "host"), [("other", "localhost"), ("", "localhost"), ("ca", "127.0.0.1")]
)
def test_other_servers_are_refused_with_the_remedy(tls: Tls, authority: str, host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_redis(tls.address(authority, host))

    assert "CERTIFICATE_VERIFY_FAILED" in caught.value.message
    assert "ATHENA_REDIS_CA_FILE" in caught.value.message


def test_gateway_and_worker_trust_nobody_else(tls: Tls) -> None:
    async def scenario() -> None:
        link = RedisLink(tls.address("other"), TIMEOUT_S)
        with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
            connection: Any = link._connector.connection()
            await connection.connect()

    asyncio.run(scenario())
    with pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"):
        BlockingLink(tls.address("other"), TIMEOUT_S).run([("PING",)])


def test_gateway_writes_and_hears_and_comes_back(tls: Tls) -> None:
    heard: list[bytes] = []
    value = bytes(range(256)) * 4096

    async def scenario() -> bytes:
        link = RedisLink(tls.address(), TIMEOUT_S)
        subscriber = Subscriber(tls.address(), TIMEOUT_S, "news", heard.append, lambda: None)
        link.start()
        subscriber.start()
        await eventually(lambda: link.is_connected and subscriber.is_connected, "both are connected")
        await link.execute(("SET", "k", value))
        tls.proxy.drop_all()
        await eventually(lambda: not (link.is_connected or subscriber.is_connected), "both notice")
        await eventually(lambda: link.is_connected and subscriber.is_connected, "both are back")
        await link.execute(("PUBLISH", "news", "after"))
        await eventually(lambda: heard == [b"after"], "the subscriber hears")
        read: bytes = await link.execute(("GET", "k"))
        await subscriber.close()
        await link.close()
        return read

    assert asyncio.run(scenario()) == value


def test_gateway_ends_without_the_farewell_of_the_other_side(tls: Tls) -> None:
    async def scenario(stack: ExitStack) -> None:
        link = RedisLink(tls.address(), TIMEOUT_S)
        subscriber = Subscriber(tls.address(), TIMEOUT_S, "news", lambda data: None, lambda: None)
        link.start()
        subscriber.start()
        await eventually(lambda: link.is_connected and subscriber.is_connected, "both are connected")
        stack.enter_context(tls.proxy.stopped())
        await subscriber.close()
        await link.close()

    with ExitStack() as stack:
        asyncio.run(scenario(stack))
        # What is still open becomes a ResourceWarning, which fails the test.
        gc.collect()


def test_worker_and_supervisor_write_and_come_back(tls: Tls) -> None:
    link, keeper = BlockingLink(tls.address(), TIMEOUT_S), FleetKeeper(tls.address(), from_env({}))
    payloads = Payloads(tls.address(), TIMEOUT_S)
    assert link.run([("SET", "k", "1"), beat_command(["w"])]) == [b"OK", [[b"0", []]]]
    keeper.tell_failure("s", "")
    assert payloads.read("nobody") is None

    tls.proxy.drop_all()

    def is_back() -> bool:
        with suppress(redis.RedisError):
            return link.run([("GET", "k")]) == [b"1"]
        return False

    wait_until(is_back, "the worker is back")
    assert payloads.read("nobody") is None
    link.close()
    payloads.close()


def test_link_without_trust_tells_the_caller(tls: Tls, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        link = RedisLink(tls.address("other"), TIMEOUT_S)
        link.start()
        await eventually(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text, "the log says why")
        with pytest.raises(StoreError):
            await link.execute(("PING",))
        await link.close()

    asyncio.run(scenario())


def test_file_that_cannot_be_read_is_a_bad_setting() -> None:
    with pytest.raises(
        ConfigError, match=r"ATHENA_REDIS_CA_FILE: 'nowhere\.pem' cannot be used: cannot read"
    ):
        from_env({"ATHENA_REDIS_CA_FILE": "nowhere.pem"})
