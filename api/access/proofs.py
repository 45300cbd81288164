"""What the head of a request says of its signature, in the query or in headers."""

from typing import NamedTuple

from api.http.heads import Headers
from athena.errors import CredentialsError
from athena.protocol.signature import (
    Lines,
    Signature,
    read_authorization,
    read_digest,
    read_query_authorization,
    request_lines,
    split_target,
)

#: Headers that play a part in a signature, beside those that come as often as they like.
PARTS = (b"authorization", b"date", b"digest", b"host")

Parts = dict[bytes, bytes]


class Claim(NamedTuple):
    """What is to be proven.

    Attributes:
        lines: what may have been signed; the original's clients differ.
        host: whom the caller wanted to ask.
        date: as it was sent.
        target: of the request, without the signature.
        digest: the body's, 32 bytes; None where none is signed.
    """

    signature: Signature
    lines: tuple[Lines, ...]
    host: str
    date: str
    target: str
    digest: bytes | None


def parts_of(headers: Headers) -> Parts:
    """Returns the headers that play a part.

    Raises:
        CredentialsError: one of them is there twice.
    """
    parts: Parts = {}
    for name, value in headers:
        if name in PARTS:
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
        lines = _lines(method, rest, [members["host"]], members["date"], "")
        return Claim(signature, lines, members["host"], members["date"], rest, None)
    if not authorization:
        return None
    signature = read_authorization(authorization)
    host, date = _text(parts, b"host"), _text(parts, b"date")
    digest = _text(parts, b"digest") if signature.covers_body else ""
    # Some sign the Host header as it is, some the name alone.
    hosts = list(dict.fromkeys((host, host_name(host))))
    found = read_digest(digest) if signature.covers_body else None
    return Claim(signature, _lines(method, rest, hosts, date, digest), host, date, rest, found)


def host_name(host: str) -> str:
    """Returns a host in small letters, without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).strip("[]").lower()


def _lines(method: str, target: str, hosts: list[str], date: str, digest: str) -> tuple[Lines, ...]:
    asked = request_lines(method, target)
    return tuple(Lines(host, date, line, digest) for host in hosts for line in asked)


def _text(parts: Parts, name: bytes) -> str:
    return parts.get(name, b"").decode("utf-8", "surrogateescape")
