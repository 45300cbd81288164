"""A connection that has ended leaves nothing for the garbage collector, which halts a gateway that looks.

Strangers may end thousands of them in a second, each in the way that leaves most.
"""

import gc
import socket
from collections import Counter
from collections.abc import Iterator

import pytest

from api.gateway.gate import Rule, Visit
from api.http.heads import MAX_FIELDS, MAX_HEAD_BYTES
from athena.errors import CredentialsError
from tests.callers import Knowing, get, post
from tests.conftest import wait_until
from tests.listener import Client, Listener, listening

#: Enough that what each leaves stands out from what the loop and the test leave once.
CONNECTIONS = 50

#: What a connection may leave: werkzeug's matcher of URLs leaves 8 objects of each request of Flask's.
LEFT = 10

HEAD, _, BODY = post().partition(b"\r\n\r\n")
TEXT = {"content_type": "text/plain", "content_length": "200"}
BEGINNINGS = {
    "nothing": b"",
    "half a head": HEAD,
    "half a body": HEAD + b"\r\n\r\n" + BODY[:5],
    "no body": HEAD + b"\r\n\r\n",
    "half a body for flask": post(b"x" * 100, **TEXT),
    "half a body, answered early": post(b"x", path="/nothing", **TEXT),
    "half a chunk": post(b"5\r\nab", content_length="", transfer_encoding="chunked"),
    "a request": post(),
    "a request of flask": get(),
    "a request that is refused": post(b"{"),
    "a request, and half of the next": post() + HEAD,
    "many requests": post() * 20,
    "no HTTP": b"\x16\x03\x01\x02",
    "a wrong head": b"GET / HTTP/1.1\r\n\r\n",
    "a head without end": HEAD + b"x" * 2 * MAX_HEAD_BYTES,
    "many fields": HEAD + b"\r\na: b" * 2 * MAX_FIELDS + b"\r\n",
}


class Guard(Rule):
    """Refuses as a check of keys does: deep inside, because of something else."""

    def enter(self, visit: Visit) -> None:
        self._look(visit)

    def _look(self, visit: Visit) -> None:
        try:
            int(visit.method)
        except ValueError:
            refusal = CredentialsError("wrong key")
            raise refusal from None


@pytest.fixture
def listener() -> Iterator[Listener]:
    knowing = Knowing()
    knowing.ends_at_once = True
    with listening(knowing) as running:
        yield running


def end_many(listener: Listener, beginning: bytes) -> None:
    for number in range(CONNECTIONS):
        with Client(listener) as client:
            client.send(beginning)
            if number % 2:
                client.socket.shutdown(socket.SHUT_WR)
                client.rest()
            else:
                # This caller is gone before the answer.
                wait_until(lambda: listener.connections, "the connection is there")
    wait_until(lambda: not listener.connections, "all connections have ended")


@pytest.mark.parametrize("what", BEGINNINGS)
@pytest.mark.parametrize("is_refused", [False, True], ids=["", "refused"])
def test_connection_that_has_ended_is_no_garbage(listener: Listener, what: str, is_refused: bool) -> None:
    if is_refused:
        listener.run(listener.gateway.gate.add, Guard())
    end_many(listener, BEGINNINGS[what])
    gc.collect()
    gc.disable()
    try:
        end_many(listener, BEGINNINGS[what])
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = Counter(type(one).__qualname__ for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left.total() < LEFT * CONNECTIONS, left.most_common()
