"""What comes over a connection and how it ends, on real sockets; the application is the gateway's own."""

import contextlib
import json
import socket
from collections.abc import Iterator
from statistics import median
from typing import Any

import pytest

from api.http.connection import Connection
from api.http.framing import BEGINNING_BYTES, BETWEEN, SLICE_BYTES
from api.http.heads import MAX_FIELDS, MAX_HEAD_BYTES
from api.http.open_heads import FIELD_BYTES, OpenHeads
from api.http.patience import BODY_BYTES_PER_S, BODY_S, HALF_CLOSED_S, HEAD_S, LINGER_S, WRITE_S
from tests.callers import REQUEST, Knowing, get, post
from tests.conftest import wait_until
from tests.listener import Client, Listener, exchange, listening

CLOSE = get(connection="close")
LAST = CLOSE.replace(b"/livez", b"/echo")


@pytest.fixture
def gateway() -> Knowing:
    knowing = Knowing()
    knowing.ends_at_once = True
    return knowing


@pytest.fixture
def listener(gateway: Knowing) -> Iterator[Listener]:
    with listening(gateway) as running:
        yield running


def statuses(listener: Listener, *pieces: bytes) -> list[int]:
    answers = exchange(listener, *pieces)
    for answer in answers:
        assert "content-type: application/json" in answer.head or not answer.body
    return [answer.status for answer in answers]


# Offers to change the protocol.


OFFERS = {
    "java": {"upgrade": "h2c", "http2_settings": "AAEAAEAA", "connection": "Upgrade, HTTP2-Settings"},
    "websocket": {"upgrade": "websocket", "connection": "keep-alive, Upgrade"},
    "any": {"upgrade": "foo/2, bar", "connection": "upgrade"},
}


@pytest.mark.parametrize("offer", OFFERS.values(), ids=OFFERS)
@pytest.mark.parametrize("more", [{}, {"content_type": "text/plain"}], ids=["direct", "flask"])
def test_offer_is_ignored_and_no_byte_of_the_body_is_lost(
    listener: Listener, gateway: Knowing, offer: dict[str, str], more: dict[str, str]
) -> None:
    request = post(**offer, **more)
    expected = statuses(listener, post(**more), LAST)

    assert statuses(listener, request + request, LAST) == [expected[0], *expected]
    for at in range(1, len(request)):
        assert statuses(listener, request[:at], request[at:] + LAST) == expected, at
    bodies = {bytes(job.message).partition(b'"body"')[2].count(b"aGk=") for job in gateway.submitted}
    assert len(bodies) <= 1


def test_offer_with_a_chunked_body_is_ignored(listener: Listener, gateway: Knowing) -> None:
    head = post(b"", content_length="", transfer_encoding="chunked", **OFFERS["java"])
    body = json.dumps(REQUEST).encode()

    assert statuses(listener, head, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body), LAST) == [200, 405]


def test_offer_without_a_body_and_a_close_in_the_same_header(listener: Listener) -> None:
    assert statuses(listener, get(upgrade="h2c", connection="close, Upgrade")) == [200]


def test_body_that_looks_like_a_request_stays_a_body(listener: Listener) -> None:
    assert statuses(listener, post(LAST, **OFFERS["java"]), LAST) == [400, 405]


# Heads.


HOST = b"Host: x\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET /livez HTTP/1.0\r\n" + HOST + HOST + b"\r\n", 400),
        (b"GET /livez HTTP/1.0\r\n\r\n", 200),
        (post().replace(b"host: x\r\n", b""), 400),
        (post().replace(b"host: x\r\n", HOST + HOST), 400),
        (post(version="2.0"), 505),
        (post(version="0.9"), 505),
        (post(version="3.1"), 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"GET /livez\r\n", 505),
        (b"\r\nGET /livez\r\n" + HOST + b"\r\n", 505),
        (post(transfer_encoding="gzip, chunked", content_length=""), 501),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: gzip\r\n\r\n", 501),
        (b"CONNECT a:443 HTTP/1.1\r\n" + HOST + b"\r\n", 405),
        (b"GET /\xc3\xa4 HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET http://x:99999/echo HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a b: c\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        (post(content_length="5", transfer_encoding="chunked"), 400),
        (post(content_length="-5"), 400),
    ],
)
def test_head_that_cannot_be_served_is_refused_and_the_connection_closed(
    listener: Listener, request_bytes: bytes, status: int
) -> None:
    assert statuses(listener, request_bytes) == [status]


@pytest.mark.parametrize("path", ["*", "/livez", "/echo"])
def test_options_are_answered_without_a_body(listener: Listener, path: str) -> None:
    (answer,) = exchange(listener, CLOSE.replace(b"GET /livez", f"OPTIONS {path}".encode()))

    assert (answer.status, answer.body) == (204, b"")
    assert "allow: " in answer.head
    assert "\r\ncontent-type:" not in answer.head


def big(size_bytes: int, how: str) -> bytes:
    """Returns a head of so many bytes."""
    if how == "target":
        return CLOSE.replace(b"/livez", b"/livez?" + b"x" * (size_bytes - len(CLOSE) - 1))
    if how == "one header":
        return CLOSE.replace(b"host", b"x: " + b"y" * (size_bytes - len(CLOSE) - 5) + b"\r\nhost")
    field = b"x: %s\r\n" % (b"y" * ((size_bytes - len(CLOSE)) // 80 - 5))
    return CLOSE.replace(b"host", field * 80 + b"host")


WAYS = ["target", "one header", "many headers"]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("is_behind_another", [False, True])
def test_head_may_be_so_large(listener: Listener, how: str, is_behind_another: bool) -> None:
    before = [post()] if is_behind_another else []
    head = big(MAX_HEAD_BYTES - 100, how)

    assert statuses(listener, b"".join([*before, head])) == [200] * (len(before) + 1)
    assert statuses(listener, *before, head[:9], head[9:20_000], head[20_000:]) == [200] * (len(before) + 1)
    assert statuses(listener, *before, big(MAX_HEAD_BYTES + 100, how)) == [200] * len(before) + [431]


def test_head_may_have_so_many_fields(listener: Listener) -> None:
    def head(count: int) -> bytes:
        return CLOSE.replace(b"host", b"x: y\r\n" * (count - CLOSE.count(b": ")) + b"host")

    assert statuses(listener, head(MAX_FIELDS)) == [200]
    assert statuses(listener, head(MAX_FIELDS + 1)) == [431]
    # Before the head is whole, too: what has come of it would be kept.
    with Client(listener) as client:
        client.send(head(MAX_FIELDS + 9).partition(b"host")[0])
        answer = client.answer()
    assert answer.status == 431 and "100 header fields" in answer.document["header"]["message"]


def test_heads_that_are_not_whole_hold_no_more_than_they_may(listener: Listener) -> None:
    heads = listener._protocol.open_heads = OpenHeads(40_000)
    start, rest = CLOSE[:-2] + b"x: " + b"y" * 9000, b"\r\n\r\n"
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(listener)) for _ in range(5)]
        for number, client in enumerate(clients):
            client.send(start)
            wait_until(lambda count=number: heads.held_bytes > min(count, 3) * 9000, "it has come")  # type: ignore[misc]

        first = clients[0].answer()
        assert first.status == 503 and "heads that are not whole" in first.document["header"]["message"]
        for client in clients[1:]:
            client.send(rest)
            assert client.answer().status == 200
    wait_until(lambda: not listener.connections, "all are gone")
    assert (heads.held_bytes, heads._sizes, listener.budget.held_bytes) == (0, {}, 0)


def test_fields_of_a_head_that_is_not_whole_count_with_what_they_take(listener: Listener) -> None:
    heads = listener._protocol.open_heads = OpenHeads()
    start = CLOSE[:-2] + b"a:b\r\n" * 50
    with Client(listener) as client:
        client.send(start)
        wait_until(lambda: heads.held_bytes > len(start) + 45 * FIELD_BYTES, "it has come")
        client.send(b"\r\n")
        assert client.answer().status == 200
    assert heads.held_bytes == 0


@pytest.mark.parametrize("start", [b"GET /", b"GET / HTTP/1.1\r\nx: ", b"GET / HTTP/1.1\r\n"])
@pytest.mark.parametrize("filling", [b"y" * 64, b"x: 1\r\n"])
def test_head_without_end_is_refused_early(listener: Listener, start: bytes, filling: bytes) -> None:
    with Client(listener) as client, contextlib.suppress(ConnectionError):
        client.send(start)
        for _ in range(200):
            client.send(filling * (SLICE_BYTES // len(filling)))
    with Client(listener) as client:
        client.send(start, filling * (MAX_HEAD_BYTES // len(filling) + 10))
        assert client.answer().status in (400, 431)


def test_trailers_never_count_as_headers_and_have_a_limit(listener: Listener, gateway: Knowing) -> None:
    head = post(b"", content_length="", transfer_encoding="chunked")
    body = json.dumps(REQUEST).encode()
    chunk = b"%x\r\n%s\r\n0\r\n" % (len(body), body)
    trailers = b"Content-Type: text/plain\r\nPrefer: respond-async\r\nHost: y\r\n\r\n"

    assert statuses(listener, head + chunk + trailers + get(), LAST) == [200, 200, 405]
    assert statuses(listener, head + chunk, b"x: " + b"y" * (2 * MAX_HEAD_BYTES)) == [431]
    assert statuses(listener, head + chunk, b"x: y\r\n" * MAX_HEAD_BYTES) == [431]
    assert gateway.submitted[0].gateway == gateway.id


# One after the other.


@pytest.mark.parametrize("first", [post(), get(), post(content_type="text/plain")])
def test_malformed_request_is_answered_behind_the_good_one(listener: Listener, first: bytes) -> None:
    (expected,) = {answer.status for answer in exchange(listener, first, LAST)[:1]}

    assert statuses(listener, first + first + b"rubbish\r\n\r\n" + first) == [expected, expected, 400]
    assert statuses(listener, first, b"rubbish\r\n\r\n") == [expected, 400]


def test_malformed_body_ends_its_own_request_alone(listener: Listener, gateway: Knowing) -> None:
    head = post(b"", content_length="", transfer_encoding="chunked")

    assert statuses(listener, get() + head + b"zz\r\n") == [200, 400]
    assert statuses(listener, get() + head.replace(b"json", b"x") + b"2\r\n{}\r\n", b"zz\r\n")[:1] == [200]
    assert gateway.submitted == []


def test_few_of_many_small_requests_are_looked_at_at_once(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends thousands at once gets his turn as often as others do."""
    waiting: list[int] = []
    respond = listener._protocol.respond

    def noting(connection: Connection, *answer: Any) -> None:
        waiting.append(len(connection.waiting))
        respond(connection, *answer)

    monkeypatch.setattr(listener._protocol, "respond", noting)
    # To the application: what is answered directly waits for nobody.
    request = get(x="y" * 100)
    with Client(listener) as client:
        client.send(request * 2000, LAST)
        assert len(client.answers()) == 2001

    # What comes within a small read is parsed at once.
    assert median(waiting) <= BEGINNING_BYTES // len(request) + 1


def test_requests_that_wait_are_not_read_and_their_bytes_are_counted(gateway: Knowing) -> None:
    gateway.ends_at_once = False
    request = get(x="y" * 3000)
    chatter = request * 20_000
    with listening(gateway, budget_bytes=10**7) as listener, Client(listener) as client:
        client.send(post())
        wait_until(lambda: gateway.submitted, "the first request is submitted")
        client.socket.setblocking(False)
        sent = client.socket.send(chatter)
        (connection,) = listener.connections
        wait_until(lambda: connection.waiting and listener.budget.held_bytes, "a request waits")

        assert len(connection.waiting) <= SLICE_BYTES // len(request) + 1
        assert listener.budget.held_bytes < 1_000_000

        client.socket.setblocking(True)
        listener.run(gateway.end)
        client.send(chatter[sent : -(-sent // len(request)) * len(request)], LAST)
        answers = client.answers()

    assert [answer.status for answer in (answers[0], answers[1], answers[-1])] == [200, 200, 405]
    assert len(answers) == 2 + -(-sent // len(request))
    assert listener.budget.held_bytes == 0


def test_requests_that_wait_are_refused_in_their_turn_when_too_much_is_held(gateway: Knowing) -> None:
    gateway.ends_at_once = False
    with listening(gateway, budget_bytes=5000) as listener, Client(listener) as client:
        client.send(post())
        wait_until(lambda: gateway.submitted, "the first request is submitted")
        listener.run(listener.budget.take, 4900)
        client.send(get() + post(b"x" * 3000, content_type="text/plain"))
        listener.run(gateway.end)
        assert [answer.status for answer in client.answers()] == [200, 200, 429]


def test_request_that_is_still_coming_is_refused_in_its_turn_when_too_much_is_held(gateway: Knowing) -> None:
    gateway.ends_at_once = False
    with listening(gateway, budget_bytes=5000) as listener, Client(listener) as client:
        client.send(post())
        wait_until(lambda: gateway.submitted, "the first request is submitted")
        listener.run(listener.budget.take, 4900)
        client.send(post(b"x" * 3000, content_type="text/plain", content_length="20000"))
        listener.run(gateway.end)
        assert [answer.status for answer in client.answers()] == [200, 429]


def test_many_requests_are_answered_in_order_to_one_who_reads_later(listener: Listener) -> None:
    count = 3000
    with Client(listener) as client:
        requests = b"".join(get(f"/v1/none/{number}") for number in range(count))
        with ThreadedSend(client.socket, requests + LAST):
            answers = client.answers()

    assert len(answers) == count + 1


class ThreadedSend:
    """Sends beside the block."""

    def __init__(self, sock: socket.socket, data: bytes) -> None:
        import threading

        self._thread = threading.Thread(target=sock.sendall, args=(data,))

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()


# Ends.


@pytest.mark.parametrize(
    "start",
    [
        b"POST /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n",
        b"POST /nothing HTTP/1.0\r\nContent-Type: application/json\r\n",
        b"PUT /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-no\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n",
        b"POST /echo HTTP/1.1\r\nContent-Type: text/plain\r\n",
        b"rubbish\r\n",
    ],
)
def test_early_answer_over_a_closing_connection_is_seen(listener: Listener, start: bytes) -> None:
    size = 4_000_000
    request = start + b"Content-Length: %d\r\n\r\n" % size + b"x" * size

    for _ in range(5):
        with Client(listener) as client:
            client.send(request)
            assert client.answer().status in (400, 404, 405, 413, 415)
            assert client.rest() == b""


def test_early_answer_is_seen_while_the_gateway_leaves(listener: Listener, gateway: Knowing) -> None:
    gateway.is_draining = True
    request = post(b"x" * 4_000_000, path="/nothing")

    for _ in range(5):
        (answer,) = exchange(listener, request)
        assert (answer.status, answer.closes) == (404, True)


def test_early_answer_of_a_connection_that_stays_leaves_the_next_request_alone(listener: Listener) -> None:
    assert statuses(listener, post(b"x" * 4_000_000, path="/nothing"), post(), LAST) == [404, 200, 405]


def test_caller_who_is_not_told_to_send_his_body_gets_a_connection_that_closes(listener: Listener) -> None:
    with Client(listener) as client:
        client.send(post(b"", path="/nothing", expect="100-continue", content_length="5"))
        answer = client.answer()

        assert (answer.status, answer.closes) == (404, True)


def test_connection_whose_caller_goes_on_sending_after_the_end_is_cut(listener: Listener) -> None:
    with Client(listener) as client:
        client.send(b"rubbish\r\n\r\n")
        assert client.answer().status == 400
        listener.pass_time(LINGER_S - 1)
        assert len(listener.connections) == 1
        listener.pass_time(LINGER_S + 1)
        wait_until(lambda: not listener.connections, "the connection is cut")


def test_pipelined_requests_are_answered_by_a_leaving_gateway(listener: Listener, gateway: Knowing) -> None:
    gateway.ends_at_once = False
    with Client(listener) as client:
        client.send(post() + get() + post(path="/echo?unknown=1", content_type="text/plain") + get())
        wait_until(lambda: gateway.submitted, "the first request is submitted")
        gateway.is_draining = True
        listener.each("shutdown")
        listener.run(gateway.end)
        answers = client.answers()

    assert [(answer.status, answer.closes) for answer in answers] == [
        (200, False),
        (200, False),
        (400, False),
        (200, True),
    ]


@pytest.mark.parametrize("behind", [[], [get()], [get(), get()]])
def test_half_closed_caller_gets_his_answers(
    listener: Listener, gateway: Knowing, behind: list[bytes]
) -> None:
    gateway.ends_at_once = False
    with Client(listener) as client:
        client.send(post(), *behind)
        client.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: gateway.submitted, "the request is submitted")
        listener.pass_time(HALF_CLOSED_S / 2)
        listener.run(gateway.end)
        assert [answer.status for answer in client.answers()] == [200] * (1 + len(behind))


def test_half_closed_caller_of_a_long_call_is_answered(listener: Listener, gateway: Knowing) -> None:
    gateway.ends_at_once = False
    with Client(listener) as client:
        client.send(post())
        client.socket.shutdown(socket.SHUT_WR)
        wait_until(lambda: gateway.submitted, "the request is submitted")
        for _ in range(3):
            listener.pass_time(2 * HALF_CLOSED_S)
        listener.run(gateway.end)
        answers = client.answers()

    assert {answer.status for answer in answers[:-1]} == {100}
    assert answers[-1].status == 200


@pytest.mark.parametrize("request_bytes", [post(), post().replace(b"HTTP/1.1", b"HTTP/1.0")])
def test_caller_who_is_gone_is_found_out(listener: Listener, gateway: Knowing, request_bytes: bytes) -> None:
    gateway.ends_at_once = False
    client = Client(listener)
    client.send(request_bytes)
    wait_until(lambda: gateway.submitted, "the request is submitted")
    client.socket.close()

    def is_left() -> bool:
        listener.pass_time(2 * HALF_CLOSED_S)
        return bool(gateway.left)

    wait_until(is_left, "the job is left")
    assert listener.connections == []


# Time.


def half_requests() -> dict[str, bytes]:
    head, _, body = post().partition(b"\r\n\r\n")
    return {
        "line": b"GET /livez",
        "head": head,
        "body": head + b"\r\n\r\n" + body[:-1],
        "no body": head + b"\r\n\r\n",
        "body for flask": post(b"x" * 100, content_type="text/plain", content_length="200"),
        "early answer": post(b"x", path="/nothing", content_type="text/plain", content_length="200"),
    }


def is_half(connection: Connection) -> bool:
    return connection.stage != BETWEEN and (connection.running is None or connection._receiving is not None)


@pytest.mark.parametrize("what", half_requests())
@pytest.mark.parametrize("before", [b"", get() + get()])
def test_half_requests_time_out(listener: Listener, what: str, before: bytes) -> None:
    expected = [200] * (2 if before else 0) + [404 if what == "early answer" else 408]
    with Client(listener) as client:
        client.send(before, half_requests()[what])
        wait_until(lambda: any(map(is_half, listener.connections)), "half of it came")
        listener.pass_time(min(HEAD_S, BODY_S) - 1)
        listener.pass_time(max(HEAD_S, BODY_S) + 1)

        assert [answer.status for answer in client.answers()] == expected


def test_body_that_comes_slowly_is_waited_for(listener: Listener) -> None:
    size = 9 * BODY_BYTES_PER_S
    request = post(b"x" * size, path="/echo?unknown=1", content_type="text/plain")
    with Client(listener) as client:
        client.send(request[:-1])
        wait_until(lambda: any(c._received_bytes > size // 2 for c in listener.connections), "half of it")
        listener.pass_time(BODY_S + 7)
        client.send(request[-1:])
        assert client.answer().status == 400


def test_silent_connections_are_closed(listener: Listener) -> None:
    with Client(listener) as stranger, Client(listener) as known:
        known.send(get())
        assert known.answer().status == 200
        wait_until(lambda: len(listener.connections) == 2, "both are connected")
        listener.pass_time(HEAD_S + 1)
        assert stranger.rest() == b""
        known.send(get())
        assert known.answer().status == 200
        listener.pass_time(listener.gateway.settings.idle_s + 1)
        assert known.rest() == b""


def test_caller_who_waits_for_his_answer_is_not_silent(listener: Listener, gateway: Knowing) -> None:
    gateway.ends_at_once = False
    with Client(listener) as client:
        client.send(post())
        wait_until(lambda: gateway.submitted, "the request is submitted")
        listener.pass_time(10_000)
        listener.run(gateway.end)
        assert client.answer().status == 200


def test_caller_who_takes_nothing_is_cut(listener: Listener) -> None:
    with Client(listener) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.socket.setblocking(False)

        def is_full() -> bool:
            with contextlib.suppress(BlockingIOError):
                client.socket.send(get("/openapi.json") * 10)
            return any(c.is_write_paused for c in listener.connections)

        wait_until(is_full, "nothing is taken")
        listener.pass_time(0)
        listener.pass_time(WRITE_S - 5)
        assert len(listener.connections) == 1
        listener.pass_time(WRITE_S + 5)
        wait_until(lambda: not listener.connections, "the connection is cut")


# Many.


def test_strangers_cannot_take_all_connections(gateway: Knowing, caplog: pytest.LogCaptureFixture) -> None:
    with contextlib.ExitStack() as stack, listening(gateway, max_connections=20) as listener:
        known = [stack.enter_context(Client(listener)) for _ in range(5)]
        for client in known:
            client.send(get())
            assert client.answer().status == 200
        strangers = [stack.enter_context(Client(listener)) for _ in range(60)]
        strangers[-1].send(get())

        assert strangers[-1].answer().status == 200
        assert len(listener.connections) <= 20
        for client in known:
            client.send(get())
            assert client.answer().status == 200
    assert sum("ATHENA_MAX_CONNECTIONS" in record.message for record in caplog.records) == 1


def test_caller_for_whom_there_is_no_room_is_told(gateway: Knowing) -> None:
    gateway.ends_at_once = False
    with contextlib.ExitStack() as stack, listening(gateway, max_connections=3) as listener:
        for _ in range(3):
            stack.enter_context(Client(listener)).send(post())
        wait_until(lambda: len(gateway.submitted) == 3, "the requests are submitted")
        with Client(listener) as client:
            answer = client.answer()

        assert (answer.status, answer.closes, answer.document["header"]["code"]) == (503, True, 10222)
        assert len(gateway.submitted) == 3


# Mistakes of ours.


def test_no_answer_is_plain_text(
    listener: Listener, gateway: Knowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a mistake of ours")

    for name in ("api.http.asgi.make_environ", "api.http.turns.fault_of"):
        with monkeypatch.context() as patch:
            patch.setattr(name, fail)
            (answer,) = exchange(listener, get(connection="close"))
        assert (answer.status, answer.document["header"]["code"]) == (500, 11502)


def test_request_that_has_no_time_left_is_told_to_come_again(listener: Listener, gateway: Knowing) -> None:
    with Client(listener) as waits, Client(listener) as sends:
        waits.send(post(b"x", content_type="text/plain", content_length="20"))
        sends.send(post()[:-5])
        wait_until(lambda: len(listener.connections) == 2 and listener.state.tasks, "both are received")
        wait_until(lambda: all(c.stage for c in listener.connections), "both are received")
        listener.each("end_receiving")
        for client in (waits, sends):
            (answer,) = client.answers()
            assert (answer.status, answer.closes) == (503, True)
            assert "retry-after: 1" in answer.head


def test_task_that_is_canceled_is_answered(listener: Listener) -> None:
    with Client(listener) as client:
        client.send(post(b"x", content_type="text/plain", content_length="20"))
        wait_until(lambda: listener.state.tasks, "it is received")
        listener.run(lambda: [task.cancel() for task in listener.state.tasks])
        assert client.answer().status == 503
