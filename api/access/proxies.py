"""Whose word counts when a proxy says for whom it asks.

`X-Forwarded-For` and `X-Forwarded-Proto` are what a proxy adds, and what any caller may send as well. They
are believed from the proxies that the operator has named, and from nobody else.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Collection, Iterable

from api.http.asgi import Scope, Send
from api.http.heads import Headers
from api.http.request_body import Receive
from athena.setting_values import Network

App = Callable[[Scope, Receive, Send], Awaitable[None]]

_SCHEMES = ("http", "https")


class Proxies:
    """The proxies that are believed."""

    def __init__(self, trusted: Collection[Network]) -> None:
        self._trusted = tuple(trusted)
        self.has_any = bool(self._trusted)

    def caller(self, peer: str, headers: Headers) -> str:
        """Returns the address that a request came from; `peer` is who is connected."""
        if not self._trusted or not is_trusted(peer, self._trusted):
            return peer
        return caller_of(peer, _values(headers, b"x-forwarded-for"), self._trusted)

    def scheme(self, peer: str, headers: Headers, own: str) -> str:
        """Returns by which scheme a request came; `own` is that of the connection."""
        if not self._trusted or not is_trusted(peer, self._trusted):
            return own
        return scheme_of(_values(headers, b"x-forwarded-proto"), own)


class ProxyView:
    """An ASGI application before another one, which sees callers as trusted proxies tell of them."""

    def __init__(self, app: App, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, with its caller's address and scheme."""
        if self._proxies.has_any and scope["type"] == "http":
            (peer, port), headers = scope["client"], scope["headers"]
            caller = self._proxies.caller(peer, headers)
            scope["client"] = (caller, port if caller == peer else 0)
            scope["scheme"] = self._proxies.scheme(peer, headers, scope["scheme"])
        await self._app(scope, receive, send)


def is_trusted(peer: str, trusted: Iterable[Network]) -> bool:
    """Whether an address is one of a trusted proxy."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return any(address in network for network in trusted)


def caller_of(peer: str, forwarded: Iterable[str], trusted: Collection[Network]) -> str:
    """Returns the address of the nearest caller who is no trusted proxy.

    Each proxy adds to the right whom it was asked by. So the list is read from there, and what is left of the
    first address that nobody vouches for may be invented.

    Args:
        peer: who is connected; a trusted proxy.
        forwarded: the list, the farthest caller first.
        trusted: networks of proxies.
    """
    nearest = peer
    for entry in reversed(list(forwarded)):
        address = _address_in(entry)
        if address is None or not is_trusted(nearest, trusted):
            break
        nearest = address
    return nearest


def scheme_of(forwarded: Iterable[str], own: str) -> str:
    """Returns by which scheme the caller came to the nearest proxy; `own` where it does not say."""
    told = [value.lower() for value in forwarded][-1:]
    return told[0] if told and told[0] in _SCHEMES else own


def _values(headers: Headers, wanted: bytes) -> list[str]:
    """Returns the entries of a header that is a list, also where it comes several times (RFC 9110, 5.3)."""
    lines = [value.decode("latin-1") for name, value in headers if name == wanted]
    return [entry.strip() for line in lines for entry in line.split(",") if entry.strip()]


def _address_in(entry: str) -> str | None:
    """Returns the address of an entry, which some proxies write with its port."""
    text = entry.strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
