"""Which names a gateway answers to, and which pages may send it requests through somebody's browser.

A browser lets any page send requests to any address, its user's own machine included; it says which page it
is (`Origin`, Fetch standard). A page whose name is made to lead to this machine (DNS rebinding) reads the
answers as well; only the name in `Host` tells.
"""

import ipaddress
import re
import socket
from collections.abc import Collection, Iterable

from athena.errors import ForbiddenError
from athena.plain_text import clipped
from athena.runtime.listening import is_loopback
from athena.setting_values import ANY_HOST, ANY_ORIGIN, HostPattern
from athena.settings import Settings

Headers = Iterable[tuple[bytes, bytes]]

#: Methods that change nothing; a page of another origin cannot read their answers.
_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))

#: What a browser says of requests that another site's page has caused (Fetch metadata).
_FOREIGN = (b"cross-site", b"same-site")

#: So many values of `Host` are remembered; all others are looked at each time.
_MAX_KNOWN = 1000

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?")


class OriginPolicy:
    """Whom a gateway answers.

    Args:
        hosts: names that it answers to, beside IP addresses, its machine's names and those without a dot;
            `ANY_HOST` for all.
        origins: pages that may send requests and read the answers; `ANY_ORIGIN` for all.
        own_names: names of its machine.
    """

    def __init__(
        self, hosts: Collection[HostPattern], origins: Collection[str], own_names: Collection[str] = ()
    ) -> None:
        self._patterns = tuple(pattern for pattern in hosts if pattern != ANY_HOST)
        self._answers_to_all = ANY_HOST in hosts
        self._origins = frozenset(origins)
        self._own_names = frozenset(own_names)
        #: Values of `Host` that were found to be allowed.
        self.known_hosts: set[bytes] = set()

    def refusal(self, method: str, headers: Headers) -> ForbiddenError | None:
        """Returns why a request is not answered; None if it is."""
        host, origin, site = b"", None, b""
        for name, value in headers:
            if name == b"host":
                host = value
                if not self._allows_host(value):
                    return _host_refusal(value)
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        # Clients that are no browsers send neither of the two.
        if method in _SAFE or (origin is None and site not in _FOREIGN):
            return None
        return None if origin is not None and self._allows_origin(origin, host) else _origin_refusal(origin)

    def sharing(self, origin: bytes) -> tuple[tuple[bytes, bytes], ...]:
        """Returns the headers by which a page may read an answer; none for a page that may not."""
        if not self._is_listed(origin):
            return ()
        return (
            (b"access-control-allow-origin", origin),
            (
                b"access-control-expose-headers",
                b"Location, Retry-After, RateLimit, RateLimit-Policy, Athena-Job-Id",
            ),
            (b"vary", b"Origin"),
        )

    def sharing_with(self, headers: Headers) -> Headers:
        """Returns the same for whoever has sent a request; none for what is no page."""
        origin = next((value for name, value in headers if name == b"origin"), b"")
        return list(self.sharing(origin)) if origin else []

    def _allows_host(self, value: bytes) -> bool:
        if value in self.known_hosts:
            return True
        if not (self._answers_to_all or self._names_this(value)):
            return False
        if len(self.known_hosts) < _MAX_KNOWN:
            self.known_hosts.add(value)
        return True

    def _names_this(self, value: bytes) -> bool:
        """Whether a `Host` is a name of this gateway, and not only of somebody's page."""
        found = _HOST.fullmatch(value.decode("latin-1").lower())
        if found is None:
            return False
        name, port = found[1].strip("[]").rstrip("."), int(found[2] or 0)
        # No page of the internet has a name without a dot, or an address that leads elsewhere.
        if "." not in name or name in self._own_names or name.endswith(".localhost") or _is_address(name):
            return True
        return any(pattern.allows(name, port, port) for pattern in self._patterns)

    def _allows_origin(self, origin: bytes, host: bytes) -> bool:
        """Whether a page may send requests that change something: it is listed, or came from here."""
        scheme, _, place = origin.partition(b"://")
        # A page whose name was rebound sends it in both headers, so the name has to be known, too.
        is_own = place.lower() == host.lower() and scheme in (b"http", b"https") and self._names_this(host)
        return is_own or self._is_listed(origin)

    def _is_listed(self, origin: bytes) -> bool:
        return ANY_ORIGIN in self._origins or origin.decode("latin-1").lower() in self._origins


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _host_refusal(value: bytes) -> ForbiddenError:
    name = clipped(value.decode("latin-1"), 100)
    return ForbiddenError(
        f"this gateway does not answer to the name {name!r}; its operator may list it in ATHENA_ALLOWED_HOSTS"
    )


def _origin_refusal(origin: bytes | None) -> ForbiddenError:
    page = repr(clipped(origin.decode("latin-1"), 100)) if origin is not None else "another site"
    return ForbiddenError(
        f"pages of {page} may not send requests here; the operator may list them in ATHENA_ALLOWED_ORIGINS"
    )


def make_origin_policy(settings: Settings) -> OriginPolicy:
    """Returns the policy that the settings describe.

    Without a list of hosts, a gateway that only its own machine reaches answers to that machine's names. Any
    other one is deployed under a name that nobody knows here, and answers to all.
    """
    hosts = settings.allowed_hosts or (() if is_loopback(settings.host) else (ANY_HOST,))
    name = socket.gethostname().lower()
    return OriginPolicy(hosts, settings.allowed_origins, (name, settings.host.lower()))
