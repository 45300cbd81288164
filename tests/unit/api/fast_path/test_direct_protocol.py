"""Which requests are answered from the parser's callbacks; all others reach the application whole."""

import asyncio
import gc
import json
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.fast_path.direct_protocol import MAX_BYTES, DirectProtocol, make_protocol
from api.gateway import errand as errands
from api.gateway import waiters as waiters_module
from api.http.heads import BROWSER_RULES
from api.http.request_body import ByteBudget
from tests.callers import FAILED, REQUEST, Knowing, post


class Wire(asyncio.Transport):
    """A transport that notes what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_closed = False

    def write(self, data: Any) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return self.is_closed

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        self.is_closed = True

    def write_eof(self) -> None:
        # The caller ends his side, too.
        self.is_closed = True

    def pause_reading(self) -> None:
        """Not played here."""

    def resume_reading(self) -> None:
        """Not played here."""


class Caller:
    """A connection to a gateway whose application answers 204 and notes the bodies that it got."""

    def __init__(self, gateway: Knowing, budget_bytes: int = 10**6) -> None:
        self.gateway = gateway
        self.budget = ByteBudget(budget_bytes)
        self.bodies: list[bytes] = []
        gateway.origins.known_hosts.add(b"x")
        config = uvicorn.Config(
            self._app,
            interface="asgi3",
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
        )
        config.load()
        self.state = ServerState()
        self.protocol: DirectProtocol = make_protocol(gateway, self.budget)(config, self.state, {})
        self.wire = Wire()
        self.protocol.connection_made(self.wire)

    async def _app(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(self, *pieces: bytes) -> None:
        """Sends pieces, and lets the loop turn until nothing happens any more."""
        for piece in pieces:
            self.protocol.data_received(piece)
            await settled()

    @property
    def statuses(self) -> list[int]:
        """What was answered so far."""
        return [int(part[:3]) for part in self.wire.sent.split(b"HTTP/1.1 ")[1:]]


async def settled() -> None:
    """Lets all that is due happen."""
    for _ in range(8):
        await asyncio.sleep(0)


Scenario = Callable[[Caller], Awaitable[None]]


def play(scenario: Scenario, gateway: Knowing | None = None, **options: Any) -> Caller:
    """Runs a scenario on a connection."""

    async def run() -> Caller:
        caller = Caller(gateway or Knowing(), **options)
        await scenario(caller)
        return caller

    return asyncio.run(run())


@pytest.mark.parametrize("path", ["/echo", "/v1/private/echo"])
def test_ordinary_request_is_answered_when_its_job_ends(path: str) -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post(path=path))
        assert caller.wire.sent == b""
        assert caller.budget.held_bytes == 0
        job_id = caller.gateway.end()
        await settled()
        header = {"code": 0, "message": "success", "sid": job_id, "gpu_type": "cpu"}
        body = json.dumps({"header": header, "payload": {"text": {}}}, separators=(",", ":")).encode()
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        assert caller.wire.sent == head + BROWSER_RULES + b"\r\n" + body
        assert (caller.gateway.forgotten, caller.gateway.left) == ([job_id], [])

    caller = play(scenario)

    assert caller.bodies == []
    assert not caller.wire.is_closed
    assert caller.state.total_requests == 1


@pytest.mark.parametrize("at", [1, 30, 100, -1])
def test_pieces_are_put_together(at: int) -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post()[:at], post()[at:])
        caller.gateway.end()
        await settled()

    caller = play(scenario)

    assert (caller.statuses, caller.bodies) == ([200], [])


TOO_LARGE = {**REQUEST, "payload": {"text": {"text": "aGk=" * (MAX_BYTES // 4)}}}


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(prefer="wait=1"),
        post(content_encoding="gzip"),
        post(host="evil.example"),
        post(origin="http://x"),
        post(sec_fetch_site="cross-site"),
        post(content_type="text/plain"),
        post(content_type=""),
        post(version="1.0"),
        post(path="/other"),
        post(path="/echo/"),
        post(path="/echo?serviceId=echo"),
        post(path="/%65cho"),
        post(path="http://x/echo"),
        post(b"{"),
        post([]),
        post({**REQUEST, "header": {"app_id": ""}}),
        post(TOO_LARGE),
        post().replace(b"POST", b"PUT"),
    ],
)
@pytest.mark.parametrize("is_split", [False, True])
def test_other_requests_reach_the_application_whole(request_bytes: bytes, is_split: bool) -> None:
    async def scenario(caller: Caller) -> None:
        at = len(request_bytes) - 1 if is_split else len(request_bytes)
        await caller.send(request_bytes[:at], *([request_bytes[at:]] if is_split else []))

    caller = play(scenario)

    assert caller.bodies == [request_bytes.partition(b"\r\n\r\n")[2]]
    assert caller.statuses == [204]
    assert caller.gateway.submitted == []


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
        'application/json; charset="utf-8"',
    ],
)
def test_json_may_be_spelled_in_other_ways(content_type: str) -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post(content_type=content_type))

    assert len(play(scenario).gateway.submitted) == 1


def chunked(body: bytes, size_bytes: int) -> bytes:
    """Returns a chunked body."""
    pieces = [body[at : at + size_bytes] for at in range(0, len(body), size_bytes)]
    return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in [*pieces, b""])


@pytest.mark.parametrize("is_small", [True, False])
def test_chunked_request_is_answered_directly_if_it_is_small(is_small: bool) -> None:
    head = post(b"", content_length="", transfer_encoding="chunked")
    body = json.dumps(REQUEST if is_small else TOO_LARGE).encode()

    async def scenario(caller: Caller) -> None:
        await caller.send(head, chunked(body, 50))
        assert caller.budget.held_bytes == 0

    caller = play(scenario)

    assert len(caller.gateway.submitted) == is_small
    assert caller.bodies == ([] if is_small else [body])


def test_caller_who_waits_for_a_word_before_his_body_gets_it_once() -> None:
    head, _, body = post(expect="100-continue").partition(b"\r\n\r\n")

    async def scenario(caller: Caller) -> None:
        await caller.send(head + b"\r\n\r\n")
        assert caller.wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
        await caller.send(body)
        caller.gateway.end()
        await settled()

    assert play(scenario).statuses == [100, 200]


def test_bytes_of_an_unfinished_request_are_counted() -> None:
    request = post()

    async def scenario(caller: Caller) -> None:
        await caller.send(request[:-10], request[-10:-1])
        assert caller.budget.held_bytes == len(request.partition(b"\r\n\r\n")[2]) - 1
        await caller.send(request[-1:])
        assert caller.budget.held_bytes == 0
        caller.gateway.end()
        await settled()
        await caller.send(request[:-1])
        caller.protocol.connection_lost(None)
        assert caller.budget.held_bytes == 0

    assert play(scenario).statuses == [200]


@pytest.mark.parametrize("why", ["wait_s", "budget"])
def test_request_that_cannot_be_answered_directly_now_reaches_the_application(why: str) -> None:
    gateway = Knowing(wait_s=0.1 if why == "wait_s" else 60)

    async def scenario(caller: Caller) -> None:
        if why == "budget":
            caller.budget.take(900)
        await caller.send(post())

    caller = play(scenario, gateway, budget_bytes=1000)

    assert (caller.statuses, gateway.submitted) == ([204], [])


@pytest.mark.parametrize(("why", "status"), [("redis", 503), ("bug", 500), ("base64", 400)])
def test_request_of_which_no_job_can_be_made_is_refused(
    why: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = Knowing()
    text = "no base64!" if why == "base64" else "aGk="

    async def scenario(caller: Caller) -> None:
        if why == "redis":
            gateway.watch.memory_share = 1.0
        if why == "bug":
            monkeypatch.setattr(gateway, "route", lambda interface, hints: 1 / 0)
        await caller.send(post({**REQUEST, "payload": {"text": {"text": text}}}), post(prefer="wait=1"))
        assert caller.budget.held_bytes == 0

    caller = play(scenario, gateway)

    assert (caller.statuses, gateway.submitted) == ([status, 204], [])


def test_next_requests_of_a_connection_wait_for_the_first() -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post() + post(prefer="wait=1") + post())
        assert caller.statuses == []
        caller.gateway.end()
        await settled()

    caller = play(scenario)

    assert caller.statuses == [200, 204, 204]
    assert len(caller.bodies) == 2


def test_refusal_is_answered_and_the_job_left() -> None:
    gateway = Knowing()
    gateway.is_full = True

    async def scenario(caller: Caller) -> None:
        await caller.send(post())
        assert caller.budget.held_bytes == 0

    caller = play(scenario, gateway)

    assert caller.statuses == [429]
    assert b"\r\nretry-after: 7\r\n" in caller.wire.sent
    assert gateway.left == [gateway.submitted[0].job_id]


def test_failed_job_is_answered_and_kept() -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post())
        caller.gateway.end(FAILED)
        await settled()

    caller = play(scenario)

    assert caller.statuses == [502]
    assert caller.gateway.forgotten == []


@pytest.mark.parametrize("by", ["caller", "server", "drain"])
def test_connection_ends_with_the_answer_when_one_side_wants_that(by: str) -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post(connection="close" if by == "caller" else "keep-alive"))
        if by == "server":
            caller.protocol.shutdown()
            assert not caller.wire.is_closed
        caller.gateway.is_draining = by == "drain"
        caller.gateway.end()
        await settled()

    caller = play(scenario)

    assert caller.statuses == [200]
    assert b"\r\nconnection: close\r\n" in caller.wire.sent
    assert caller.wire.is_closed


def test_request_on_its_way_is_served_before_the_server_ends() -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post()[:-1])
        caller.protocol.shutdown()
        assert not caller.wire.is_closed
        await caller.send(post()[-1:])

    caller = play(scenario)

    assert len(caller.gateway.submitted) == 1
    assert not caller.wire.is_closed


@pytest.mark.parametrize("path", ["http://x", "http://x:99999/echo", "http://x@y@z/", "*"])
def test_hostile_request_on_its_way_does_not_keep_the_server_from_ending(path: str) -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post(path=path)[:-1])
        caller.protocol.shutdown()
        await settled()

    caller = play(scenario)

    assert caller.gateway.submitted == []


def test_bytes_are_given_back_though_the_end_comes_before_the_verdict() -> None:
    gateway = Knowing()

    async def scenario(caller: Caller) -> None:
        gateway.tells_verdicts = False
        await caller.send(post())
        assert caller.budget.held_bytes > 0
        gateway.end()
        await settled()
        assert caller.budget.held_bytes == 0

    assert play(scenario, gateway).statuses == [200]


def test_job_that_cannot_even_be_handed_in_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(caller: Caller) -> None:
        monkeypatch.setattr(caller.gateway, "send", lambda job, on_verdict: 1 / 0)
        await caller.send(post())
        assert caller.budget.held_bytes == 0

    assert play(scenario).statuses == [500]


@pytest.mark.parametrize("becomes", ["done", "full", "invalid"])
def test_connection_leaves_nothing_to_the_garbage_collector(becomes: str) -> None:
    async def scenario(caller: Caller) -> None:
        caller.gateway.is_full = becomes == "full"
        await caller.send(post(b"{" if becomes == "invalid" else REQUEST))
        if becomes == "done":
            caller.gateway.end()
        await settled()
        assert caller.statuses == [{"done": 200, "full": 429, "invalid": 204}[becomes]]
        caller.protocol.connection_lost(None)
        gone = weakref.ref(caller.protocol)
        await settled()
        # What was brief is in line until its time is over.
        caller.gateway._waiters._brief.clear()
        del caller.protocol
        assert gone() is None

    gc.collect()
    gc.disable()
    try:
        play(scenario)
    finally:
        gc.enable()


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller is watched from nearly the first moment on."""
    monkeypatch.setattr(waiters_module, "BRIEF_S", 0.01)
    monkeypatch.setattr(errands, "UNWATCHED_S", 0.01)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("is_lost_early", [True, False])
@pytest.mark.parametrize("next_requests", [b"", post(prefer="wait=1")])
def test_job_is_left_when_its_caller_goes_away(is_lost_early: bool, next_requests: bytes) -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post() + next_requests)
        await asyncio.sleep(0 if is_lost_early else 0.05)
        caller.wire.close()
        caller.protocol.connection_lost(None)
        await asyncio.sleep(0.05)
        assert not caller.state.tasks

    caller = play(scenario)

    assert caller.gateway.left == [caller.gateway.submitted[0].job_id]
    assert caller.wire.sent == b""


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("status", [200, 504])
def test_long_job_is_waited_for(status: int) -> None:
    gateway = Knowing(wait_s=0.3)

    async def scenario(caller: Caller) -> None:
        await caller.send(post())
        await asyncio.sleep(0.05)
        assert len(caller.state.tasks) == 1
        if status == 200:
            gateway.end()
        await asyncio.gather(*caller.state.tasks)

    caller = play(scenario, gateway)

    assert caller.statuses == [status]
    assert len(gateway.left) == (status == 504)
    assert len(gateway.forgotten) == (status == 200)


@pytest.mark.usefixtures("brief")
@pytest.mark.parametrize("is_early", [True, False])
def test_long_wait_ends_with_the_patience_of_the_gateway(is_early: bool) -> None:
    async def scenario(caller: Caller) -> None:
        if is_early:
            caller.gateway.patience.lose()
        await caller.send(post())
        await asyncio.sleep(0.05)
        caller.gateway.patience.lose()
        await asyncio.gather(*caller.state.tasks)

    caller = play(scenario)

    assert caller.statuses == [503]
    assert b"\r\nretry-after: 1\r\n" in caller.wire.sent
    assert b"the job was canceled" in caller.wire.sent
    assert caller.gateway.left == [caller.gateway.submitted[0].job_id]


@pytest.mark.usefixtures("brief")
def test_caller_hears_of_a_server_that_has_no_time_left() -> None:
    async def scenario(caller: Caller) -> None:
        await caller.send(post())
        await asyncio.sleep(0.05)
        (task,) = caller.state.tasks
        task.cancel()
        await settled()
        assert caller.budget.held_bytes == 0

    caller = play(scenario)

    assert caller.statuses == [503]
    assert b"\r\nretry-after: 1\r\n" in caller.wire.sent
    assert caller.gateway.left == [caller.gateway.submitted[0].job_id]
