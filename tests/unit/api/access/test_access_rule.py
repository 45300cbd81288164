"""Requests with keys on a real socket: which way they take, and what is asked of them there."""

import gzip
import json
import logging
import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from api.access.access_rule import Access
from api.access.permissions import NEEDS, Need, need_of
from api.access.proxies import Proxies
from api.app import create_app
from athena.access.apps import App, Key, hash_of
from athena.access.scopes import Role, Scopes
from athena.protocol.signature import signed_headers, signed_url
from athena.settings import from_env
from tests.callers import REQUEST, get, post
from tests.listener import Client, Listener, listening
from tests.unit.api.fast_path.test_ways import LARGE, Ending, Steps, with_header
from tests.unit.test_docs import page, rows

TOKEN, API_KEY, SECRET = "athena_of-demo", "AK-demo", "secret of demo"
DEMO = App("demo", keys=(Key(API_KEY, hash_of(TOKEN.encode()), SECRET),))
OTHER = App("other", keys=(Key("AK-other", hash_of(b"other")),))
VIEWER = App("eyes", Scopes(Role.VIEWER), (Key("AK-eyes", hash_of(b"eyes")),))
OPERATOR = App("boss", Scopes(Role.OPERATOR), (Key("AK-boss", hash_of(b"boss")),))

BEARER = f"Bearer {TOKEN}"


class Closed(Ending):
    """A gateway that asks for keys."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = from_env({"ATHENA_REDIS_URL": "redis://127.0.0.1:1/0", "ATHENA_ACCESS": "keys"})
        self.access = Access(self.settings, self._link)
        self.access.book.replace([DEMO, OTHER, VIEWER, OPERATOR], lambda key: key.secret or None)
        self.gate.add(self.access.rule)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    with listening(Closed()) as running:
        yield running


def asked(listener: Listener, *requests_sent: bytes) -> list[tuple[int, Any]]:
    with Client(listener) as client:
        client.send(*requests_sent)
        answers = [client.answer() for _ in requests_sent]
    return [(answer.status, answer.document["header"]) for answer in answers]


def signed_target(path: str = "/echo", method: str = "POST") -> str:
    url = signed_url(f"http://x{path}", method, API_KEY, SECRET)
    return url.removeprefix("http://x")


def digest_request(body: bytes, sent: bytes | None = None) -> bytes:
    headers = signed_headers("http://x/echo", "POST", body, API_KEY, SECRET)
    fields = {name.lower().replace("-", "_"): text for name, text in headers.items() if name != "Host"}
    return post(body if sent is None else sent, **fields)


@pytest.mark.parametrize(
    ("request_bytes", "way"),
    [
        pytest.param(lambda: post(authorization=BEARER), "direct", id="bearer"),
        pytest.param(lambda: post(path=signed_target()), "direct", id="query"),
        pytest.param(lambda: post(path=signed_target("/v1/private/echo")), "direct", id="query-long-path"),
        pytest.param(lambda: digest_request(json.dumps(REQUEST).encode()), "direct", id="digest"),
        pytest.param(lambda: post(LARGE, path=signed_target()), "application", id="query-large"),
        pytest.param(lambda: digest_request(json.dumps(LARGE).encode()), "application", id="digest-large"),
        pytest.param(lambda: post(path=signed_target("/?serviceId=echo")), "flask", id="query-and-more"),
    ],
)
def test_signed_requests_take_the_way_of_others(
    request_bytes: Any, way: str, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)

    [(status, header)] = asked(listener, request_bytes())

    assert (steps.way, status) == (way, 200), header


@pytest.mark.parametrize("large", [False, True], ids=["direct", "application"])
def test_body_that_was_not_signed_makes_no_job(large: bool, listener: Listener) -> None:
    body = json.dumps(LARGE if large else REQUEST).encode()
    listener.gateway.submitted.clear()

    [(status, header)] = asked(listener, digest_request(body, body.replace(b'"status": 3', b'"status":  3')))

    assert (status, header["code"]) == (401, 10405)
    assert "the body is not the one" in header["message"]
    assert listener.gateway.submitted == []


def test_packed_body_is_compared_as_it_was_sent(listener: Listener) -> None:
    packed = gzip.compress(json.dumps(REQUEST).encode())
    request_bytes = digest_request(packed)
    with_coding = request_bytes.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n", 1)

    assert asked(listener, with_coding)[0][0] == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(),
        post(LARGE),
        post(prefer="respond-async"),
        post(b"text", path="/echo?app_id=demo", content_type="text/plain"),
        post(b"[]", path="/v1/jobs"),
        post(authorization="Bearer wrong"),
        get("/v1/jobs/00000000000000000000000000000000"),
        get("/metrics"),
        get("/v1/workers"),
        get("/v1/abilities"),
        get("/openapi.json"),
        get("/v1/admin/jobs"),
        get("/v1/admin/keys"),
        get("/nowhere"),
        get("//livez"),
        get("/%6civez"),
    ],
)
def test_nothing_is_done_without_a_key(request_bytes: bytes, listener: Listener) -> None:
    listener.gateway.submitted.clear()

    assert asked(listener, request_bytes)[0][0] == 401
    assert listener.gateway.submitted == []


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/livez?verbose", "/readyz?"])
def test_probes_need_no_key(path: str, listener: Listener) -> None:
    with Client(listener) as client:
        client.send(get(path))
        assert client.answer().status in (200, 503)


def test_body_of_a_stranger_is_not_waited_for(listener: Listener) -> None:
    head = post(LARGE).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    with Client(listener) as client:
        client.send(head)
        answer = client.answer()

    assert answer.status == 401 and answer.closes
    assert listener.budget.held_bytes == 0


def test_each_request_of_a_connection_has_its_own_caller(listener: Listener) -> None:
    own, other = with_header(app_id="demo"), with_header(app_id="other")
    statuses = asked(
        listener,
        post(own, authorization=BEARER),
        post(own, authorization="Bearer other"),
        post(own),
        post(other, authorization="Bearer other"),
        post(own, path=signed_target()),
        post(own, authorization="Bearer eyes"),
        post(other, authorization="Bearer boss"),
    )

    assert [status for status, _ in statuses] == [200, 400, 401, 200, 200, 403, 200]
    assert [header["code"] for _, header in statuses] == [0, 10313, 10405, 0, 0, 11200, 0]


def test_preflight_needs_no_key_and_what_it_allows_does(listener: Listener) -> None:
    preflight = (
        b"OPTIONS /echo HTTP/1.1\r\nhost: x\r\norigin: http://page\r\n"
        b"access-control-request-method: POST\r\n\r\n"
    )
    with Client(listener) as client:
        client.send(preflight)
        # The page is not listed, so the guard leaves it to the application, which asks for a key.
        assert client.answer().status == 401


def test_refused_callers_are_told_of_once_a_second(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    rule = listener.gateway.access.rule if listener.gateway.access else None
    assert rule is not None
    rule._refusals._next_s, rule._refusals._untold = float("-inf"), 0
    with caplog.at_level(logging.WARNING):
        for _ in range(20):
            asked(listener, get(signed_target("/v1/jobs", "GET"), authorization="Bearer gue\tss"))

    lines = [record.getMessage() for record in caplog.records if "refused" in record.getMessage()]
    assert 1 <= len(lines) < 20
    assert lines[0] == "refused GET /v1/jobs from 127.0.0.1: there is no such key"


def test_keys_may_be_taken_over_tls_alone(listener: Listener) -> None:
    gate = listener.gateway.gate
    gate.tells_scheme = True
    try:
        [(status, header)] = asked(listener, post(authorization=BEARER))
        assert status == 403 and "over TLS alone" in header["message"]
        with Client(listener) as client:
            client.send(get("/livez"))
            assert client.answer().status == 200
        # A proxy that is trusted says that its callers came by TLS; nobody else's word counts.
        forwarded = {"authorization": BEARER, "x_forwarded_proto": "https"}
        assert asked(listener, post(**forwarded))[0][0] == 403
        gate._proxies = Proxies((ip_network("127.0.0.1/32"),))
        assert asked(listener, post(**forwarded))[0][0] == 200
        assert asked(listener, post(authorization=BEARER))[0][0] == 403
    finally:
        gate.tells_scheme, gate._proxies = False, Proxies(())


def test_every_route_says_what_it_needs() -> None:
    endpoints = {rule.endpoint for rule in create_app(Closed()).url_map.iter_rules()}

    needs = {endpoint: need_of(endpoint) for endpoint in endpoints}
    assert NEEDS.keys() <= endpoints
    assert {endpoint for endpoint, need in needs.items() if need is Need.NOTHING} == {
        "page.index",
        "page.docs",
        "page.static",
        "probes.livez",
        "probes.readyz",
    }
    for rule in create_app(Closed()).url_map.iter_rules():
        if rule.endpoint.startswith("admin"):
            changes = "POST" in (rule.methods or ())
            assert needs[rule.endpoint] is (Need.OPERATE if changes else Need.SEE_ALL), rule


def test_every_route_is_a_row_of_the_table_in_the_docs() -> None:
    calls = (row[0] for row in rows(page("docs/security.md")))
    told = {_shape(call[1:-1]) for call in calls if re.fullmatch(r"`(GET|POST) /[^`]*`", call)}

    routed = {
        _shape(f"{method} {rule.rule}")
        for rule in create_app(Closed()).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        # Rows about `run` tell of these.
        if rule.endpoint not in ("run.root", "run.path")
    }
    assert routed == told


def _shape(call: str) -> str:
    """Returns a call without the names of what its path names."""
    return re.sub("<[^>]*>", "<>", call)
