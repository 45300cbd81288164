"""What the head of a request says of its signature, in the query or in headers."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from api.http.heads import Headers
from athena.errors import CredentialsError
from athena.protocol.signature import (
    Lines,
    Signature,
    read_authorization,
    read_query_authorization,
    request_lines,
    split_target,
)

#: Headers that play a part in a signature, beside those that come as often as they like.
PARTS = (b"authorization", b"date", b"digest", b"host")

# Of each request's headers it is asked whether they are among these.
_PARTS = frozenset(PARTS)

Parts = dict[bytes, bytes]


class Claim(NamedTuple):
    """What is to be proven.

    Attributes:
        method: of the request.
        hosts: as they may have been signed; the first is whom the caller wanted to ask.
        date: as it was sent.
        target: of the request, without the signature.
        digest: the body's, as it was sent; "" where none is signed.
    """

    signature: Signature
    method: str
    hosts: tuple[str, ...]
    date: str
    target: str
    digest: str = ""

    def texts(self) -> Iterator[str]:
        """Yields what may have been signed: clients differ in host and target."""
        names = self.signature.names
        for host in self.hosts:
            for line in request_lines(self.method, self.target):
                yield Lines(host, self.date, line, self.digest).text(names)


def parts_of(headers: Headers) -> Parts:
    """Returns the headers that play a part.

    Raises:
        CredentialsError: one of them is there twice.
    """
    parts: Parts = {}
    for name, value in headers:
        if name in _PARTS:
            if name in parts:
                raise CredentialsError(f"the request has two headers {name.decode()}")
            parts[name] = value
    return parts


def read_claim(method: str, target: str, parts: Parts) -> Claim | None:
    """Returns what a head says; None if it says nothing.

    Raises:
        CredentialsError: it cannot be understood.
    """
    rest, members = split_target(target)
    authorization = _text(parts, b"authorization")
    if authorization and members:
        raise CredentialsError("the request is signed twice, in its query and in its headers")
    if members:
        signature = read_query_authorization(members["authorization"])
        if signature.covers_body:
            raise CredentialsError("a digest is signed in headers, not in the query")
        return Claim(signature, method, (members["host"],), members["date"], rest)
    if not authorization:
        return None
    signature = read_authorization(authorization)
    host = _text(parts, b"host")
    name = host_name(host)
    # Some sign the Host header as it is, some the name alone.
    hosts = (host, name) if name != host else (host,)
    digest = _text(parts, b"digest") if signature.covers_body else ""
    return Claim(signature, method, hosts, _text(parts, b"date"), rest, digest)


@lru_cache(maxsize=64)
def host_name(host: str) -> str:
    """Returns a host in small letters, without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).strip("[]").lower()


def _text(parts: Parts, name: bytes) -> str:
    return parts.get(name, b"").decode("utf-8", "surrogateescape")
