"""The connection of programs that wait for each answer, and the inputs beside messages."""

from collections.abc import Iterator

import pytest
import redis
from redis.exceptions import NoScriptError, ResponseError

from athena.store.fencing import beat_command
from athena.store.link import BlockingLink
from athena.store.scripts import BEAT, READ
from athena.store.submission import read_command
from tests.conftest import wait_until
from workers.lease.payloads import Payloads

from .conftest import Store

pytestmark = pytest.mark.redis


@pytest.fixture
def link(store: Store, redis_server: str) -> Iterator[BlockingLink]:
    link = BlockingLink(redis_server, 0.3)
    yield link
    link.close()


def test_replies_come_in_the_order_of_the_commands(link: BlockingLink) -> None:
    replies = link.run([("SET", "a", b"\xff\x00"), ("GET", "a"), ("INCR", "n"), ("GET", "b")])

    assert replies == [b"OK", b"\xff\x00", 1, None]


def test_refused_command_does_not_stop_the_others(link: BlockingLink) -> None:
    replies = link.run([("SET", "a", "x"), ("INCR", "a"), ("GET", "a")])

    assert (replies[0], replies[2]) == (b"OK", b"x")
    assert isinstance(replies[1], ResponseError)


def test_scripts_that_redis_does_not_know_are_loaded(link: BlockingLink, store: Store) -> None:
    store.raw("SCRIPT", "FLUSH")

    replies = link.run([beat_command(["w1", "gone"]), ("PING",), read_command("nobody")])

    assert replies == [[[b"1", []], [b"0", []]], b"PONG", [[], None, None, None, None]]
    assert store.raw("HGET", "athena:beats", "w1") == b"1"


def test_only_what_was_not_run_is_run_again(link: BlockingLink, store: Store) -> None:
    store.raw("SCRIPT", "FLUSH")
    store.raw("SCRIPT", "LOAD", BEAT.source)

    link.run([beat_command(["w1"]), read_command("nobody")])

    assert store.raw("HGET", "athena:beats", "w1") == b"1"
    assert store.raw("SCRIPT", "EXISTS", READ.sha) == [1]


def test_unknown_script_of_somebody_else_is_an_error(link: BlockingLink) -> None:
    (reply,) = link.run([("EVALSHA", "0" * 40, 0)])

    assert isinstance(reply, NoScriptError)


def test_broken_connection_is_an_error_and_the_next_call_has_a_new_one(
    link: BlockingLink, store: Store
) -> None:
    link.run([("PING",)])
    store.raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    with pytest.raises(redis.ConnectionError):
        link.run([("INCR", "a")])

    assert link.run([("PING",)]) == [b"PONG"]
    assert not store.exists("a")


def test_late_reply_is_not_taken_for_that_of_the_next_command(link: BlockingLink, store: Store) -> None:
    link.run([("PING",)])
    store.raw("CLIENT", "PAUSE", 500)

    with pytest.raises(redis.TimeoutError):
        link.run([("INCR", "a")])
    wait_until(lambda: store.raw("PING"), "Redis goes on")

    assert link.run([("SET", "b", "2"), ("GET", "b")]) == [b"OK", b"2"]


def test_scripts_of_a_link_are_loaded_before_they_are_used(store: Store, redis_server: str) -> None:
    store.raw("SCRIPT", "FLUSH")
    link = BlockingLink(redis_server, 0.3, (BEAT, READ))

    link.run([("PING",)])

    assert store.raw("SCRIPT", "EXISTS", BEAT.sha, READ.sha) == [1, 1]
    link.close()


def test_one_reply_is_returned_or_raised(link: BlockingLink, store: Store) -> None:
    store.raw("SCRIPT", "FLUSH")

    assert link.execute(beat_command(["w1"])) == [[b"1", []]]
    with pytest.raises(NoScriptError):
        link.execute(("EVALSHA", "0" * 40, 0))
    assert link.execute(("PING",)) == b"PONG"


def test_connection_that_was_broken_off_is_made_anew(link: BlockingLink, store: Store) -> None:
    [first] = link.run([("CLIENT", "ID")])

    link.break_off()

    [second] = link.run([("CLIENT", "ID")])
    assert second != first


def test_inputs_beside_a_message_are_fetched(store: Store, redis_server: str) -> None:
    store.put_payload("j1", b"\x00data")
    payloads = Payloads(redis_server, 0.3)

    assert payloads.read("j1") == b"\x00data"
    assert payloads.read("j2") is None
    payloads.close()


def test_what_was_posted_is_read_when_it_has_come(link: BlockingLink, store: Store) -> None:
    link.post([("INCR", "n"), ("BRPOP", "list", "0.2"), ("INCR", "n")])
    first = link.read(1)

    store.raw("LPUSH", "list", "x")

    assert (first, link.read(2)) == ([1], [[b"list", b"x"], 2])


def test_posted_command_without_a_reply_in_time_breaks_the_connection(link: BlockingLink) -> None:
    link.post([("BRPOP", "list", "1")])

    with pytest.raises(redis.TimeoutError, match="did not answer in time"):
        link.read(1)

    assert link.run([("PING",)]) == [b"PONG"]


def test_large_commands_are_sent_whole(link: BlockingLink) -> None:
    large = b"x" * 5_000_000

    assert link.run([("SET", "a", large), ("GET", "a"), ("PING",)]) == [b"OK", large, b"PONG"]
