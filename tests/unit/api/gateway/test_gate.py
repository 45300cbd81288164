"""Every request passes the gate, whatever it asks for and whichever way it takes."""

import re
import socket
import struct
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from api.access.origin_guard import OriginGuard
from api.app import create_app
from api.fast_path.fast_path import FastPath
from api.gateway.gate import Rule, Visit
from api.http.asgi import AsgiServer, InlineFlask
from api.http.patience import BODY_S
from api.http.request_body import ByteBudget, RequestBody
from athena.errors import ForbiddenError
from athena.settings import from_env
from athena.store.submission import Submission
from tests.callers import REQUEST, get, post
from tests.conftest import wait_until
from tests.listener import Client, Listener, listening
from tests.unit.api.fast_path.test_ways import LARGE, TO_APPLICATION, TO_FLASK, Ending, with_header

ADMIN_TOKEN = "a-token-of-operators"


class Noting(Rule):
    """Notes what it is told; refuses all at the step that is named."""

    def __init__(self, refuses: str = "") -> None:
        self.told: list[tuple[Any, ...]] = []
        self.visits: list[Visit] = []
        self._refuses = refuses

    def enter(self, visit: Visit) -> None:
        visit.fields.append((b"x-rule", b"asked"))
        self.visits.append(visit)
        self._note("enter", visit.method, visit.target)

    def open(self, visit: Visit, service_id: str) -> None:
        self._note("open", service_id)

    def submit(self, visit: Visit, job: Submission, checked: Any) -> None:
        self._note("submit", job.app_id)

    def close(self, visit: Visit, service_id: str, status: int, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.told.append(("close", service_id, status))

    def leave(self, visit: Visit, status: int, seconds: float) -> None:
        assert 0 <= seconds < 60
        self.told.append(("leave", status))

    def _note(self, *told: Any) -> None:
        self.told.append(told)
        if told[0] == self._refuses:
            raise ForbiddenError("not you")


class Operated(Ending):
    """One that has the operators' routes as well."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = from_env(
            {"ATHENA_REDIS_URL": "redis://127.0.0.1:1/0", "ATHENA_ADMIN_TOKEN": ADMIN_TOKEN}
        )


@pytest.fixture(scope="module")
def running() -> Iterator[Listener]:
    with listening(Operated()) as listener:
        yield listener


def abort_all(listener: Listener) -> None:
    for connection in listener.connections:
        connection.transport.abort()


@pytest.fixture
def listener(running: Listener) -> Listener:
    """Returns a gateway without rules that has done nothing yet."""
    gateway = running.gateway
    gateway.gate._rules, gateway.gate._counting = [], []
    gateway.ends_at_once = True
    gateway.submitted.clear()
    gateway.rechecked.clear()
    # One that waits behind another request does not see that its caller is gone.
    running.run(abort_all, running)
    wait_until(lambda: not running.connections, "the connections of the test before are gone")
    return running


def guard(listener: Listener, *rules: Rule) -> None:
    for rule in rules:
        listener.gateway.gate.add(rule)


def chunked(request_bytes: bytes) -> bytes:
    head, _, body = request_bytes.partition(b"\r\n\r\n")
    head = re.sub(rb"content-length: \d+", b"transfer-encoding: chunked", head)
    return head + b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


UPLOAD = {"path": "/echo?app_id=demo", "content_type": "text/plain"}

#: Requests that run a job, by the way that they take.
JOB_WAYS = {
    "direct": post(),
    "direct-chunked": chunked(post()),
    "direct-expecting": post(expect="100-continue"),
    "direct-too-long": chunked(post(LARGE)),
    "direct-large": post(LARGE),
    "application": post(**TO_APPLICATION),
    "flask": post(**TO_FLASK),
    "long-path": post(path="/v1/private/echo"),
    "query": post(path="/?serviceId=echo"),
    "old-http": post(version="1.0"),
    "async": post(prefer="respond-async"),
    "upload": post(b"hi", **UPLOAD),
    "bulk": post([{"service_id": "echo", **REQUEST}], "/v1/jobs"),
}

#: Requests that name an ability and are wrong.
INVALID_WAYS = {
    "direct-invalid": post(with_header(status=4)),
    "application-invalid": post(b"{", **TO_APPLICATION),
    "flask-invalid": post(b"{", **TO_FLASK),
    "media-type": post(b"hi", path="/echo", content_type="model/mesh"),
}

#: Requests for nothing that is there, or in a manner that is not known.
LOST_WAYS = {
    "unknown-ability": post(path="/nobody"),
    "unknown-path": get("/v1/nothing/here"),
    "unknown-job": post(path="/v1/jobs/xyz/dance"),
    "wrong-method": get("/v1/jobs").replace(b"GET", b"DELETE"),
    "options": get("/echo").replace(b"GET", b"OPTIONS"),
    "head": get("/livez").replace(b"GET", b"HEAD"),
    "foreign-page": get("/livez", origin="https://example.com"),
    "foreign-post": post(origin="https://example.com"),
    "absolute-url": get("http://x/livez"),
    "two-hosts": get("/livez").replace(b"host: x", b"host: x\r\nhost: y"),
    "no-url": get("http://x:99999/echo"),
}


def route_ways() -> dict[str, bytes]:
    """Returns a request for each route of the application and each of its methods."""
    app: InlineFlask = create_app(Operated())
    ways = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]*>", "echo", rule.rule)
        for method in sorted(rule.methods or ()):
            request_bytes = post(b"{}", path) if method == "POST" else get(path)
            ways[f"{method} {rule.rule}"] = re.sub(rb"^[A-Z]+", method.encode(), request_bytes)
    return ways


ROUTE_WAYS = route_ways()
ALL_WAYS = JOB_WAYS | INVALID_WAYS | LOST_WAYS | ROUTE_WAYS


def test_list_of_routes_is_whole() -> None:
    paths = {way.partition(" ")[2] for way in ROUTE_WAYS}
    for path in (
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/v1/jobs",
        "/v1/workers",
        "/v1/abilities",
    ):
        assert path in paths
    assert {path for path in paths if path.startswith("/v1/admin/")}
    assert len(ROUTE_WAYS) > 60


def reached_behind_the_gate(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns a list that names what is reached behind the gate from now on."""
    reached: list[str] = []

    def watch(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def noting(*arguments: Any, **options: Any) -> Any:
            reached.append(name)
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, noting)

    watch(AsgiServer, "__call__")
    watch(OriginGuard, "__call__")
    watch(FastPath, "open_direct")
    watch(RequestBody, "read")
    watch(ByteBudget, "take")
    watch(orjson, "loads")
    return reached


def ask(listener: Listener, request_bytes: bytes) -> tuple[int, str]:
    """Sends a request over a connection of its own; returns its answer's status and head."""
    with Client(listener) as client:
        client.send(request_bytes)
        return final_head(client)


def final_head(client: Client) -> tuple[int, str]:
    while True:
        raw = b""
        while b"\r\n\r\n" not in raw:
            piece = client.socket.recv(1)
            assert piece, f"closed after {raw!r}"
            raw += piece
        status = int(raw.split(b" ", 2)[1])
        if status != 100:
            return status, raw.decode("latin-1").lower()


@pytest.mark.parametrize("way", ALL_WAYS)
def test_every_request_enters_once_and_leaves_once(way: str, listener: Listener) -> None:
    rule = Noting()
    guard(listener, rule)

    status, head = ask(listener, ALL_WAYS[way])

    method, target, _ = ALL_WAYS[way].split(b" ", 2)
    assert rule.told[0] == ("enter", method.decode(), target)
    assert rule.told[-1] == ("leave", status)
    assert [told[0] for told in rule.told].count("enter") == 1
    assert [told[0] for told in rule.told].count("leave") == 1
    # What cannot be understood as a request is answered by the connection alone.
    assert ("x-rule: asked" in head) == (way not in ("two-hosts", "no-url"))
    visit = rule.visits[0]
    assert visit.client == "127.0.0.1" and dict(visit.headers)[b"host"]


@pytest.mark.parametrize("way", [way for way in ALL_WAYS if way not in ("two-hosts", "no-url")])
def test_every_request_can_be_refused_before_anything_of_it_is_read(
    way: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = Noting(refuses="enter")
    guard(listener, rule)
    reached = reached_behind_the_gate(monkeypatch)

    status, head = ask(listener, ALL_WAYS[way])

    assert status == 403
    assert "x-rule: asked" in head
    assert [told[0] for told in rule.told] == ["enter", "leave"]
    assert rule.told[-1] == ("leave", 403)
    assert (reached, listener.gateway.submitted, listener.budget.held_bytes) == ([], [], 0)


@pytest.mark.parametrize("way", JOB_WAYS)
def test_every_job_passes_once(way: str, listener: Listener) -> None:
    rule = Noting()
    guard(listener, rule)

    status, _ = ask(listener, JOB_WAYS[way])

    job_status = {"bulk": 202}.get(way, status)
    assert rule.told[1:] == [
        ("open", "echo"),
        ("submit", "demo"),
        ("close", "echo", job_status),
        ("leave", status),
    ]
    assert len(listener.gateway.submitted) == 1


@pytest.mark.parametrize("way", INVALID_WAYS)
def test_invalid_request_is_opened_and_closed(way: str, listener: Listener) -> None:
    rule = Noting()
    guard(listener, rule)

    status, _ = ask(listener, INVALID_WAYS[way])

    assert status in (400, 415)
    assert rule.told[1:] == [("open", "echo"), ("close", "echo", status), ("leave", status)]
    assert listener.gateway.submitted == []


@pytest.mark.parametrize("step", ["open", "submit"])
@pytest.mark.parametrize("way", JOB_WAYS)
def test_refused_job_is_answered_alike_on_every_way(way: str, step: str, listener: Listener) -> None:
    rule = Noting(refuses=step)
    guard(listener, rule)

    with Client(listener) as client:
        client.send(JOB_WAYS[way])
        answer = client.answer()
        while answer.status == 100:
            answer = client.answer()

    header = answer.document["jobs"][0]["error"] if way == "bulk" else answer.document["header"]
    assert (header["code"], header["message"]) == (ForbiddenError.code, "not you")
    assert answer.status == (200 if way == "bulk" else 403)
    steps = ["enter", "open", *(["submit"] if step == "submit" else []), "close", "leave"]
    assert [told[0] for told in rule.told] == steps
    assert rule.told[-2:] == [("close", "echo", 403), ("leave", answer.status)]
    assert listener.gateway.submitted == []
    assert listener.budget.held_bytes == 0


@pytest.mark.parametrize("way", ["direct", "application", "flask"])
def test_second_request_on_a_connection_passes_as_well(way: str, listener: Listener) -> None:
    rule = Noting()
    guard(listener, rule)

    with Client(listener) as client:
        client.send(JOB_WAYS[way] + get() + JOB_WAYS[way])
        found = [client.answer().status for _ in range(3)]

    assert found == [200, 200, 200]
    assert [told[1] for told in rule.told if told[0] == "enter"] == ["POST", "GET", "POST"]
    assert [told for told in rule.told if told[0] == "leave"] == [("leave", 200)] * 3


class Choosy(Noting):
    """Refuses what comes by POST."""

    def enter(self, visit: Visit) -> None:
        super().enter(visit)
        if visit.method == "POST":
            raise ForbiddenError("not you")


def test_whole_refused_request_leaves_its_connection_open_in_turn(listener: Listener) -> None:
    guard(listener, Choosy())

    with Client(listener) as client:
        client.send(get() + post() + get() + post(**TO_FLASK) + get())
        answers = [client.answer() for _ in range(5)]

    assert [answer.status for answer in answers] == [200, 403, 200, 403, 200]
    assert not any(answer.closes for answer in answers)


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(content_length="1000000"),
        post(b"x", content_length="", transfer_encoding="chunked").removesuffix(b"x") + b"5\r\nhello\r\n",
        post(b"", content_length="10", expect="100-continue"),
    ],
    ids=["long", "chunked", "expecting"],
)
def test_refused_request_whose_body_has_not_come_ends_its_connection(
    request_bytes: bytes, listener: Listener
) -> None:
    rule = Choosy()
    guard(listener, rule)

    with Client(listener) as client:
        client.send(request_bytes)
        answers = client.answers()

    assert [(answer.status, answer.closes) for answer in answers] == [(403, True)]
    assert rule.told[-1] == ("leave", 403)
    assert listener.budget.held_bytes == 0


def test_body_of_a_refused_request_is_not_held_while_it_waits(listener: Listener) -> None:
    listener.gateway.ends_at_once = False
    rule = Choosy()
    guard(listener, rule)

    with Client(listener) as client:
        client.send(get("/v1/jobs/" + "0" * 32 + "?wait=60") + post(content_length="100000") + b"x" * 10_000)
        wait_until(lambda: listener.gateway.rechecked and len(rule.visits) == 2, "the first one waits")
        assert listener.budget.held_bytes == 0


def waiting_caller(listener: Listener, rule: Noting) -> Client:
    guard(listener, rule)
    listener.gateway.ends_at_once = False
    client = Client(listener)
    client.send(post())
    wait_until(lambda: listener.gateway.submitted, "the job is submitted")
    return client


def test_caller_who_goes_away_is_counted(listener: Listener) -> None:
    rule = Noting()

    with waiting_caller(listener, rule) as client:
        # The connection is reset.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    wait_until(lambda: len(rule.told) == 5, "the caller is counted")
    assert sorted(rule.told[-2:]) == [("close", "echo", 499), ("leave", 499)]


@pytest.mark.parametrize("way", ["direct", "application"])
def test_caller_who_goes_away_within_a_body_is_counted(way: str, listener: Listener) -> None:
    rule = Noting()
    guard(listener, rule)

    with Client(listener) as client:
        client.send(JOB_WAYS[way][:-5])
        wait_until(lambda: rule.visits, "the head has come")

    wait_until(lambda: ("leave", 499) in rule.told, "the caller is counted")


@pytest.mark.parametrize("way", ["direct", "application"])
def test_slow_body_is_counted(way: str, listener: Listener) -> None:
    rule = Noting()
    guard(listener, rule)

    with Client(listener) as client:
        client.send(JOB_WAYS[way][:-5])
        wait_until(lambda: rule.visits, "the head has come")
        listener.pass_time(BODY_S + 1)
        assert client.answer().status == 408

    assert ("leave", 408) in rule.told


def test_pipelined_requests_of_a_lost_connection_are_counted(listener: Listener) -> None:
    rule = Noting()

    with waiting_caller(listener, rule) as client:
        client.send(get() + get())
        wait_until(lambda: len(rule.visits) > 1, "the second head has come")
        listener.run(abort_all, listener)

    entered = len(rule.visits)
    wait_until(lambda: rule.told.count(("leave", 499)) == entered, "all are counted")


def test_rule_that_fails_to_count_changes_no_answer(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    rule, broken = Noting(), Noting()
    broken.close = lambda *_: 1 / 0  # type: ignore[assignment,method-assign]
    broken.leave = lambda *_: 1 / 0  # type: ignore[assignment,method-assign]
    guard(listener, broken, rule)

    assert ask(listener, post())[0] == 200
    assert rule.told[-2:] == [("close", "echo", 200), ("leave", 200)]
    assert [entry.message for entry in caplog.records] == [
        "a job cannot be counted",
        "a request cannot be counted",
    ]


@pytest.mark.parametrize("step", ["enter", "open", "submit"])
@pytest.mark.parametrize("way", ["direct", "application", "flask"])
def test_rule_that_fails_lets_nobody_in(way: str, step: str, listener: Listener) -> None:
    broken = Noting()
    setattr(broken, step, lambda *_: 1 / 0)
    guard(listener, broken)

    assert ask(listener, JOB_WAYS[way])[0] == 500
    assert listener.gateway.submitted == []


def test_gate_without_rules_notes_nothing(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Visit, "__init__", lambda *_: 1 / 0)

    assert [ask(listener, JOB_WAYS[way])[0] for way in ("direct", "application", "flask")] == [200] * 3
