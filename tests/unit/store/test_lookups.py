"""Names that no name server answers for."""

import socket
import time
from typing import Any

import pytest
from redis.exceptions import RedisError

from athena.store import lookups as module
from athena.store.connections import pool_of
from athena.store.link import BlockingLink
from athena.store.lookups import MAX_PAUSE_S, Lookups
from tests.ports import free_port


class Clock:
    """Takes the place of the module `time`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


class NameServer:
    """Answers, or lets callers wait before it fails; takes the place of `socket.getaddrinfo`."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.takes_s = 0.0
        self.fails = True
        self.asked: list[str] = []
        self._real = socket.getaddrinfo

    def __call__(self, host: str, *arguments: Any, **options: Any) -> Any:
        self.asked.append(host)
        self.clock.now_s += self.takes_s
        if self.fails:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self._real("127.0.0.1", *arguments, **options)


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> NameServer:
    clock = Clock()
    server = NameServer(clock)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(socket, "getaddrinfo", server)
    return server


def look_up(lookups: Lookups, host: str) -> Any:
    with lookups.of(host):
        return socket.getaddrinfo(host, 6379)


def fails(lookups: Lookups, host: str) -> str:
    with pytest.raises(socket.gaierror) as caught:
        look_up(lookups, host)
    return str(caught.value)


def test_a_failure_counts_as_long_as_it_took(name_server: NameServer) -> None:
    lookups = Lookups()
    name_server.takes_s = 4

    first = fails(lookups, "redis")
    name_server.clock.now_s += 3.9
    again = fails(lookups, "redis")
    fails(lookups, "other")
    name_server.clock.now_s += 0.2
    fails(lookups, "redis")

    assert again == first
    assert name_server.asked == ["redis", "other", "redis"]


def test_it_counts_no_longer_than_is_good_for_who_waits(name_server: NameServer) -> None:
    lookups = Lookups()
    name_server.takes_s = 120

    fails(lookups, "redis")
    name_server.clock.now_s += MAX_PAUSE_S + 0.1
    name_server.fails = False

    assert look_up(lookups, "redis")


def test_an_answer_that_comes_at_once_is_asked_for_again_at_once(name_server: NameServer) -> None:
    """A name that does not exist yet may do so in a moment."""
    lookups = Lookups()

    fails(lookups, "redis")
    name_server.fails = False

    assert look_up(lookups, "redis")


def test_a_connection_that_is_refused_is_not_a_failed_lookup(name_server: NameServer) -> None:
    lookups = Lookups()
    name_server.fails = False

    for _ in range(2):
        with pytest.raises(ConnectionRefusedError), lookups.of("redis"):
            name_server.clock.now_s += 5
            raise ConnectionRefusedError

    assert look_up(lookups, "redis")


@pytest.mark.parametrize("scheme", ["redis", "rediss", "sentinel"])
def test_connections_of_a_process_wait_once(name_server: NameServer, scheme: str) -> None:
    """As at an end, when several have something to say to a Redis whose name has gone."""
    host = f"{scheme}-{time.monotonic_ns()}.example"
    url = f"{scheme}://{host}:{free_port()}/" + ("mine/0" if scheme == "sentinel" else "0")
    name_server.takes_s = 4

    for _ in range(3):
        with pytest.raises(RedisError, match=r"Temporary failure in name resolution|names a master"):
            BlockingLink(url, 1).execute(("PING",))
    with pytest.raises(RedisError):
        pool_of(url, 1).get_connection()

    assert name_server.asked == [host]
