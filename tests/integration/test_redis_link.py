"""The gateway's connections to Redis, on a real server, in good times and bad."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import redis

from api.redis.link import RedisLink, Subscriber
from athena.errors import StoreError
from athena.store.fencing import beat_command
from athena.store.scripts import Command
from athena.store.submission import read_command

pytestmark = pytest.mark.redis

TIMEOUT_S = 0.4


async def eventually(holds: Callable[[], object], what: str, timeout_s: float = 30.0) -> None:
    """Waits for a condition on the event loop."""
    try:
        async with asyncio.timeout(timeout_s):
            while not holds():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not in time: {what}") from None


@asynccontextmanager
async def connected(redis_url: str, timeout_s: float = 30.0) -> AsyncIterator[RedisLink]:
    """A link that is connected."""
    link = RedisLink(redis_url, timeout_s)
    link.start()
    try:
        await eventually(lambda: link.is_connected, "the link is connected")
        yield link
    finally:
        await link.close()


@asynccontextmanager
async def subscribed(
    redis_url: str, on_push: Callable[[bytes], None], on_connect: Callable[[], None]
) -> AsyncIterator[Subscriber]:
    """A subscriber that listens on the channel `news`."""
    subscriber = Subscriber(redis_url, TIMEOUT_S, "news", on_push, on_connect)
    subscriber.start()
    try:
        await eventually(lambda: subscriber.is_connected, "the subscriber listens")
        yield subscriber
    finally:
        await subscriber.close()


async def refused(command: Awaitable[Any]) -> str:
    """Returns the message of the StoreError that a command ends with."""
    with pytest.raises(StoreError) as error:
        await asyncio.wait_for(command, 10)
    return error.value.message


@contextmanager
def stopped(client: redis.Redis) -> Iterator[None]:
    """Stops the server process: connections stay, nothing is answered."""
    pid = int(client.info("server")["process_id"])
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kill_clients(client: Any, kind: str) -> None:
    """Makes Redis close the connections of a kind, except our own."""
    client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


def test_many_callers_get_their_own_replies(redis_server: str, redis_client: redis.Redis) -> None:
    count = 2000

    async def scenario() -> Any:
        async with connected(redis_server) as link:
            return await asyncio.gather(*(link.execute(("ECHO", f"{number}")) for number in range(count)))

    replies = asyncio.run(scenario())

    assert replies == [str(number).encode() for number in range(count)]


def test_commands_are_carried_out_in_the_order_in_which_they_were_given(
    redis_server: str, redis_client: redis.Redis
) -> None:
    async def scenario() -> list[bytes]:
        async with connected(redis_server) as link:
            await asyncio.gather(*(link.execute(("RPUSH", "k", number)) for number in range(100)))
            replies: list[bytes] = await link.execute(("LRANGE", "k", 0, -1))
            return replies

    assert asyncio.run(scenario()) == [str(number).encode() for number in range(100)]


def test_large_values_come_back_unharmed(redis_server: str, redis_client: redis.Redis) -> None:
    value = bytes(range(256)) * 8192

    async def scenario() -> Any:
        async with connected(redis_server) as link:
            return await asyncio.gather(
                link.execute(("SET", "k", value)), link.execute(("GET", "k")), link.execute(("PING",))
            )

    assert list(asyncio.run(scenario())) == [b"OK", value, b"PONG"]


def test_refused_command_is_a_store_error_of_its_caller_alone(
    redis_server: str, redis_client: redis.Redis
) -> None:
    async def scenario() -> tuple[str, list[bytes]]:
        async with connected(redis_server) as link:
            before = link.send(("ECHO", "before"))
            bad = link.send(("INCR", "a", "b"))
            after = link.send(("ECHO", "after"))
            return await refused(bad), [await before, await after]

    message, others = asyncio.run(scenario())

    assert "wrong number of arguments" in message
    assert others == [b"before", b"after"]


def test_script_that_redis_forgot_is_loaded_again(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> Any:
        async with connected(redis_server) as link:
            await link.execute(("SCRIPT", "FLUSH"))
            return await asyncio.gather(
                link.execute(read_command("nobody")), link.execute(beat_command(["nobody"]))
            )

    assert asyncio.run(scenario()) == [[[], None, None, None, None], [[b"0", []]]]


def test_caller_who_gives_up_does_not_shift_the_replies(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> bytes:
        async with connected(redis_server) as link:
            task = asyncio.create_task(link.execute(("ECHO", "first")))
            await asyncio.sleep(0)
            second = link.send(("ECHO", "second"))
            task.cancel()
            reply: bytes = await second
            return reply

    assert asyncio.run(scenario()) == b"second"


def test_link_without_redis_refuses_at_once(redis_server: str) -> None:
    async def scenario() -> str:
        link = RedisLink(redis_server + ".nowhere", 5)
        link.start()
        message = await refused(link.execute(("PING",)))
        assert not link.is_connected
        await link.close()
        return message

    assert "cannot be reached" in asyncio.run(scenario())


def test_link_connects_again_after_a_break(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> tuple[str, bytes]:
        async with connected(redis_server) as link:
            pending = link.send(("BLPOP", "nothing", 0))
            await eventually(
                lambda: redis_client.info("clients")["blocked_clients"] == 1, "BLPOP has arrived"
            )
            kill_clients(redis_client, "normal")
            message = await refused(pending)
            await eventually(lambda: link.is_connected, "the link is connected again")
            return message, await link.execute(("ECHO", "again"))

    message, reply = asyncio.run(scenario())

    assert "lost" in message
    assert reply == b"again"


def test_scripts_are_loaded_on_every_connection(redis_server: str, redis_client: redis.Redis) -> None:
    command: Command = read_command("nobody")

    async def scenario() -> Any:
        async with connected(redis_server) as link:
            redis_client.script_flush()
            kill_clients(redis_client, "normal")
            await eventually(lambda: not link.is_connected, "the break is noticed")
            await eventually(lambda: link.is_connected, "the link is connected again")
            # `send` does not load scripts.
            return await link.send(command)

    assert asyncio.run(scenario()) == [[], None, None, None, None]


def test_redis_that_does_not_answer_breaks_the_connection(
    redis_server: str, redis_client: redis.Redis
) -> None:
    async def scenario() -> tuple[str, bytes]:
        async with connected(redis_server, TIMEOUT_S) as link:
            with stopped(redis_client):
                message = await refused(link.execute(("PING",)))
                assert not link.is_connected
            await eventually(lambda: link.is_connected, "the link is connected again")
            return message, await link.execute(("ECHO", "again"))

    message, reply = asyncio.run(scenario())

    assert "lost" in message
    assert reply == b"again"


def test_closing_the_link_ends_what_is_pending(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> str:
        async with connected(redis_server) as link:
            pending = link.send(("BLPOP", "nothing", 0))
            await asyncio.sleep(0)
        return await refused(pending)

    assert "lost" in asyncio.run(scenario())


def test_link_leaves_nothing_open_when_redis_hangs(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> str:
        async with connected(redis_server) as link:
            with stopped(redis_client):
                # More than the socket takes.
                pending = link.send(("SET", "k", bytes(16_000_000)))
                await asyncio.sleep(0)
                await link.close()
        return await refused(pending)

    assert "lost" in asyncio.run(scenario())
    # What is still open becomes a ResourceWarning, which fails the test.
    gc.collect()


def test_subscriber_hears_everything_in_order(redis_server: str, redis_client: redis.Redis) -> None:
    heard: list[bytes] = []

    async def scenario() -> None:
        async with subscribed(redis_server, heard.append, lambda: None):
            for number in range(100):
                redis_client.publish("news", str(number))
            redis_client.publish("other", "not for us")
            await eventually(lambda: len(heard) >= 100, "all is heard")

    asyncio.run(scenario())

    assert heard == [str(number).encode() for number in range(100)]


def test_subscriber_says_when_it_listens_again(redis_server: str, redis_client: redis.Redis) -> None:
    heard: list[bytes] = []
    connects: list[int] = []

    async def scenario() -> None:
        async with subscribed(redis_server, heard.append, lambda: connects.append(1)):
            assert len(connects) == 1
            kill_clients(redis_client, "pubsub")
            await eventually(lambda: len(connects) == 2, "it listens again")
            redis_client.publish("news", "after")
            await eventually(lambda: heard, "it hears again")

    asyncio.run(scenario())

    assert heard == [b"after"]


def test_subscriber_leaves_a_redis_that_does_not_answer(redis_server: str, redis_client: redis.Redis) -> None:
    connects: list[int] = []

    async def scenario() -> None:
        async with subscribed(redis_server, lambda data: None, lambda: connects.append(1)) as subscriber:
            with stopped(redis_client):
                await eventually(lambda: not subscriber.is_connected, "the break is noticed")
            await eventually(lambda: subscriber.is_connected, "it listens again")

    asyncio.run(scenario())

    assert len(connects) == 2


def test_subscriber_that_is_told_nothing_stays_connected(
    redis_server: str, redis_client: redis.Redis
) -> None:
    connects: list[int] = []
    heard: list[bytes] = []

    async def scenario() -> None:
        async with subscribed(redis_server, heard.append, lambda: connects.append(1)):
            # Two times the silence after which it makes sure that Redis is still there.
            await asyncio.sleep(2.5 * TIMEOUT_S)
            redis_client.publish("news", "late")
            await eventually(lambda: heard, "it hears")

    asyncio.run(scenario())

    assert (heard, len(connects)) == ([b"late"], 1)


def test_told_commands_have_their_replies_in_order(redis_server: str, redis_client: redis.Redis) -> None:
    said: list[Any] = []

    async def scenario() -> None:
        async with connected(redis_server) as link:
            for command in (("ECHO", "a"), ("INCR", "a", "b"), ("EVALSHA", "0" * 40, 0), ("ECHO", "c")):
                link.tell(command, said.append)
            await eventually(lambda: len(said) == 4, "all are answered")
            link.tell(("BLPOP", "nothing", 0), said.append)
            await asyncio.sleep(0)

    asyncio.run(scenario())

    assert (said[0], said[3]) == (b"a", b"c")
    assert [type(one) for one in said[1:3]] == [StoreError, redis.exceptions.NoScriptError]
    assert "lost" in said[4].message


def test_what_is_told_without_redis_is_answered_on_a_later_turn(redis_server: str) -> None:
    said: list[Any] = []

    async def scenario() -> list[Any]:
        link = RedisLink(redis_server + ".nowhere", 5)
        link.tell(("PING",), said.append)
        at_once = list(said)
        await asyncio.sleep(0)
        return at_once

    assert asyncio.run(scenario()) == []
    assert "cannot be reached" in said[0].message


def test_reply_that_makes_no_sense_breaks_the_connection(
    redis_server: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> bytes:
        async with connected(redis_server) as link:
            settle = link._settle
            monkeypatch.setattr(link, "_settle", lambda reply: settle(reply) or 1 / 0)
            kill_clients(redis_client, "normal")
            await eventually(lambda: not link.is_connected, "the break is noticed")
            await eventually(lambda: link.is_connected, "the link is connected again")
            await link.execute(("ECHO", "first"))
            await eventually(lambda: not link.is_connected, "a failing reader breaks the connection")
            monkeypatch.setattr(link, "_settle", settle)
            await eventually(lambda: link.is_connected, "the link is connected again")
            reply: bytes = await link.execute(("ECHO", "again"))
            return reply

    assert asyncio.run(scenario()) == b"again"
