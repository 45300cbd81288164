"""Which names a gateway answers to, and which pages may send it requests."""

import asyncio
import json
from typing import Any

import pytest

from api.access.origins import OriginPolicy, make_origin_policy
from api.app import create_server
from api.gateway.gateway import Gateway
from api.http.request_body import ByteBudget
from athena.errors import ConfigError
from athena.protocol.openapi.document import openapi_document
from athena.settings import from_env

LOCAL = {"ATHENA_HOST": "127.0.0.1"}
OPEN = {"ATHENA_HOST": "0.0.0.0"}


def policy(**environ: str) -> OriginPolicy:
    return make_origin_policy(from_env(environ))


def is_answered(policy: OriginPolicy, method: str = "POST", **headers: str) -> bool:
    """Whether a request is answered; `_` in a header's name stands for `-`."""
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return policy.refusal(method, fields) is None


HERE = [
    "127.0.0.1",
    "127.0.0.1:30889",
    "localhost:1",
    "LOCALHOST",
    "a.localhost",
    "[::1]:30889",
    "10.0.0.7",
    "gateway:80",
]
ELSEWHERE = [
    "evil.example",
    "evil.example:30889",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil.example.",
]
BROKEN = ["", "a b", "[::1", "http://localhost", "localhost:x", "localhost@evil.example", "ä", "1.2.3.4.5"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_gateway_on_the_loopback_answers_to_names_of_its_machine(host: str) -> None:
    local = policy(ATHENA_HOST=host)

    assert all(is_answered(local, method, host=name) for name in HERE for method in ("GET", "POST"))
    for name in ELSEWHERE + BROKEN:
        assert not is_answered(local, "GET", host=name), name
        assert not is_answered(local, host=name), name
    assert is_answered(local), "HTTP/1.0 has no Host"


def test_names_can_be_listed() -> None:
    listed = policy(ATHENA_ALLOWED_HOSTS="api.example.com, *.example.org,one.example:81", **LOCAL)

    for name in (
        "api.example.com",
        "API.example.com.:8080",
        "a.b.example.org",
        "one.example:81",
        "localhost",
    ):
        assert is_answered(listed, host=name), name
    for name in ("example.com", "example.org", "one.example:82", "evil.example"):
        assert not is_answered(listed, host=name), name
    assert is_answered(policy(ATHENA_ALLOWED_HOSTS="*", **LOCAL), host="evil.example")
    assert not is_answered(policy(ATHENA_ALLOWED_HOSTS="api.example.com", **OPEN), host="evil.example")


def test_gateway_on_the_network_answers_to_every_name_but_to_no_page() -> None:
    """A container does not know under which name it is reached."""
    deployed = policy(**OPEN)

    assert is_answered(deployed, host="gateway:30889")
    assert not is_answered(deployed, host="evil.example", origin="http://evil.example")
    assert not is_answered(deployed, host="gateway:30889", origin="http://evil.example")
    assert is_answered(deployed, host="10.0.0.7:80", origin="http://10.0.0.7:80")


@pytest.mark.parametrize("environ", [LOCAL, OPEN])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "http://localhost:8080"},
        {"origin": "file://localhost:30889"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_page_of_another_origin_can_change_nothing(environ: dict[str, str], headers: dict[str, str]) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "FOO"):
        assert not is_answered(policy(**environ), method, host="localhost:30889", **headers)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert is_answered(policy(**environ), method, host="localhost:30889", **headers)


def test_pages_of_the_gateway_itself_and_listed_ones_may_send() -> None:
    listed = policy(ATHENA_ALLOWED_ORIGINS="https://app.example.com, http://localhost:8080", **LOCAL)

    for origin in ("http://localhost:30889", "https://localhost:30889", "https://APP.example.com"):
        assert is_answered(listed, host="localhost:30889", origin=origin), origin
    assert is_answered(
        listed, host="localhost:30889", origin="http://localhost:8080", sec_fetch_site="same-site"
    )
    for origin in (
        "http://app.example.com",
        "https://app.example.com:444",
        "https://app.example.com.evil.example",
    ):
        assert not is_answered(listed, host="localhost:30889", origin=origin), origin
    assert is_answered(
        policy(ATHENA_ALLOWED_ORIGINS="*", **LOCAL), host="localhost", origin="https://a.example"
    )


def test_names_that_are_remembered_are_bounded() -> None:
    local = policy(**LOCAL)
    for number in range(5000):
        assert is_answered(local, host=f"127.0.0.1:{number}")
        assert not is_answered(local, host=f"evil{number}.example")

    assert len(local.known_hosts) <= 1000
    assert b"127.0.0.1:1" in local.known_hosts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ATHENA_ALLOWED_HOSTS", "http://a"),
        ("ATHENA_ALLOWED_HOSTS", "a b"),
        ("ATHENA_ALLOWED_ORIGINS", "app.example.com"),
        ("ATHENA_ALLOWED_ORIGINS", "https://app.example.com/"),
        ("ATHENA_ALLOWED_ORIGINS", "null"),
        ("ATHENA_URL_PREFIX", "athena"),
        ("ATHENA_URL_PREFIX", "/a b"),
        ("ATHENA_URL_PREFIX", "https://a/b?c"),
        ("ATHENA_URL_PREFIX", "//evil.example"),
    ],
)
def test_values_that_cannot_be_used_are_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        from_env({name: value})


@pytest.mark.parametrize(
    ("value", "prefix"),
    [
        ("", ""),
        ("/", ""),
        ("/athena", "/athena"),
        ("/a/b/", "/a/b"),
        ("https://a.example:8/x", "https://a.example:8/x"),
    ],
)
def test_prefix_is_read(value: str, prefix: str) -> None:
    assert from_env({"ATHENA_URL_PREFIX": value}).url_prefix == prefix
    assert openapi_document([], prefix)["servers"] == [{"url": prefix or "/"}]


# Before the application.


def ask(method: str, path: str, environ: dict[str, str], **headers: str) -> tuple[int, dict[str, str], Any]:
    gateway = Gateway(from_env({"ATHENA_REDIS_URL": "redis://127.0.0.1:1/0", **environ}))
    fields = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "query_string": b"",
        "headers": fields,
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(create_server(gateway, ByteBudget(10**9))(scope, receive, send))
    answered = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], answered, sent[1].get("body", b"")


def test_refusal_is_an_error_as_all_others_with_the_remedy() -> None:
    for headers, remedy in (
        ({"host": "evil.example"}, "ATHENA_ALLOWED_HOSTS"),
        ({"host": "localhost", "origin": "http://evil.example"}, "ATHENA_ALLOWED_ORIGINS"),
    ):
        status, answered, body = ask("POST", "/echo", LOCAL, **headers)

        assert (status, answered["content-type"]) == (403, "application/json")
        assert json.loads(body)["header"]["code"] == 10163
        assert remedy in json.loads(body)["header"]["message"]
        assert "evil.example" in json.loads(body)["header"]["message"]
        assert "access-control-allow-origin" not in answered


ALLOWED = {"ATHENA_ALLOWED_ORIGINS": "https://app.example.com", **LOCAL}


def test_allowed_page_is_told_what_it_may_send_and_reads_the_answer() -> None:
    origin = "https://app.example.com"
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "content-type"}

    status, preflight, body = ask("OPTIONS", "/echo", ALLOWED, host="localhost", origin=origin, **asked)
    assert (status, body) == (204, b"")
    assert preflight["access-control-allow-origin"] == origin
    assert "Content-Type" in preflight["access-control-allow-headers"]

    _, answered, _ = ask("GET", "/livez", ALLOWED, host="localhost", origin=origin)
    assert answered["access-control-allow-origin"] == origin
    assert answered["vary"] == "Origin"


def test_no_other_page_is_told_anything() -> None:
    for method in ("OPTIONS", "GET"):
        _, answered, _ = ask(
            method,
            "/livez",
            ALLOWED,
            host="localhost",
            origin="https://evil.example",
            access_control_request_method="POST",
        )
        assert not [name for name in answered if name.startswith("access-control")]
