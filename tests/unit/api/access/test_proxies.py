"""Whose word counts about where a request came from."""

import asyncio
import ipaddress
from typing import Any

import pytest

from api.access.proxies import Proxies, ProxyView, caller_of
from api.http.asgi import Scope

TRUSTED = (ipaddress.ip_network("10.0.0.0/24"), ipaddress.ip_network("fd00::/64"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "caller"),
    [
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"),
        ("10.0.0.1", ['"[2001:db8::7]:80"'], "2001:db8::7"),
        # What stands left of the first address that nobody vouches for is the caller's own invention.
        ("10.0.0.1", ["127.0.0.1", "203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9", "unknown", "10.0.0.2"], "10.0.0.2"),
        ("fd00::1", ["2001:db8::7"], "2001:db8::7"),
    ],
)
def test_nearest_caller_who_is_no_proxy_counts(peer: str, forwarded: list[str], caller: str) -> None:
    assert caller_of(peer, forwarded, TRUSTED) == caller


def seen(peer: str, headers: list[tuple[bytes, bytes]], trusted: Any = TRUSTED) -> tuple[str, str]:
    scopes: list[Scope] = []

    async def application(scope: Scope, _receive: Any, _send: Any) -> None:
        scopes.append(scope)

    scope = {"type": "http", "client": (peer, 4711), "scheme": "http", "headers": headers}
    asyncio.run(ProxyView(application, Proxies(trusted))(scope, None, None))  # type: ignore[arg-type]
    return scopes[0]["client"][0], scopes[0]["scheme"]


FORWARDED = [(b"x-forwarded-for", b"1.2.3.4, 203.0.113.9"), (b"x-forwarded-proto", b"http, https")]


def test_trusted_proxy_is_believed() -> None:
    assert seen("10.0.0.1", FORWARDED) == ("203.0.113.9", "https")


def test_header_may_come_in_several_lines() -> None:
    lines = [(b"x-forwarded-for", b"203.0.113.9"), (b"x-forwarded-for", b"10.0.0.9")]

    assert seen("10.0.0.1", lines)[0] == "203.0.113.9"


@pytest.mark.parametrize("peer", ["10.0.1.1", "203.0.113.9", "127.0.0.1", ""])
def test_nobody_else_is_believed(peer: str) -> None:
    assert seen(peer, FORWARDED) == (peer, "http")


def test_nobody_is_believed_by_default() -> None:
    assert seen("10.0.0.1", FORWARDED, ()) == ("10.0.0.1", "http")


@pytest.mark.parametrize("told", [b"", b"javascript", b"https, ftp"])
def test_scheme_that_is_none_does_not_count(told: bytes) -> None:
    assert seen("10.0.0.1", [(b"x-forwarded-proto", told)])[1] == "http"
