"""Signatures of requests, as the original's clients make them: HMAC-SHA256 over three or four lines.

Its clients put `host`, `date` and `authorization` into the query; a second form uses headers of these names,
and may sign a `Digest` of the body as well (the HTTP Signatures draft of 2013, as Kong reads it). The string
to sign has a line for each name that `headers` lists:

    host: api.example.com
    date: Sun, 06 Nov 1994 08:49:37 GMT
    POST /v1/private/ocr HTTP/1.1
    digest: SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=
"""

import base64
import hashlib
import re
import time
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable, Mapping
from datetime import UTC
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

from athena.errors import CredentialsError
from athena.protocol.signing_key import SigningKey

_AUTHORIZATION = "authorization"

#: Members of a query that carry a signature, and are no part of what is asked for.
QUERY_MEMBERS = ("host", "date", _AUTHORIZATION)

#: What has to be signed, whichever names a caller lists; `digest` may be beside it.
REQUIRED = ("host", "date", "request-line")
DIGEST = "digest"
WITH_DIGEST = (*REQUIRED, DIGEST)

_MAC_BYTES = hashlib.sha256().digest_size

ALGORITHM = "hmac-sha256"

#: How far a caller's clock may be from ours.
MAX_SKEW_S = 300

_SCHEME = "hmac"
_DIGEST_SCHEME = "sha-256"

#: No text that is read here is longer: none of the forms comes near it.
_MAX_TEXT = 2048

# What nearly all clients send, in one step; what differs is read member by member.
_USUAL = re.compile(
    r'(?:hmac )?(?:api_key|username)="([^"]+)", ?algorithm="hmac-sha256", ?'
    r'headers="([^"]*)", ?signature="([^"]*)"'
)

# The original's clients put a comma with or without a blank between members, and say username= for api_key=.
_MEMBER = re.compile(r'\s*([a-z_]+)\s*=\s*"([^"]*)"\s*(?:,|$)')


class Signature(NamedTuple):
    """What a caller has sent to prove who they are.

    Attributes:
        api_key: names the secret that was signed with.
        names: what the lines of the string to sign are, in their order.
        mac: the 32 bytes.
    """

    api_key: str
    names: tuple[str, ...]
    mac: bytes

    @property
    def covers_body(self) -> bool:
        """Whether a digest of the body is signed."""
        return DIGEST in self.names


def read_authorization(text: str) -> Signature:
    """Reads the members of an authorization, with or without `hmac` before them.

    Raises:
        CredentialsError: it is none; the message says what is missing.
    """
    usual = _USUAL.fullmatch(text) if len(text) <= _MAX_TEXT else None
    if usual is not None:
        return Signature(usual[1], _names(usual[2]), _mac(usual[3]))
    members = _members(text.removeprefix(f"{_SCHEME} ").strip())
    algorithm = members.get("algorithm", ALGORITHM)
    if algorithm.lower() != ALGORITHM:
        raise CredentialsError(f"the signature's algorithm must be {ALGORITHM}")
    names = _names(members.get("headers", ""))
    api_key = members.get("api_key") or members.get("username", "")
    if not api_key:
        raise CredentialsError("the authorization names no api_key")
    return Signature(api_key, names, _mac(members.get("signature", "")))


def read_query_authorization(text: str) -> Signature:
    """Reads the `authorization` of a query: the same members, in base64.

    Raises:
        CredentialsError: it is none.
    """
    try:
        # A `+` that was not escaped in the query has become a blank.
        members = base64.b64decode(text.replace(" ", "+"), validate=True).decode("utf-8")
    except ValueError:
        raise CredentialsError("authorization in the query must be base64") from None
    return read_authorization(members)


@lru_cache(maxsize=64)
def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.lower().split())
    missing = [name for name in REQUIRED if name not in names]
    if missing or not set(names) <= {*REQUIRED, DIGEST} or len(set(names)) != len(names):
        raise CredentialsError(
            f'a signature covers headers="{" ".join(REQUIRED)}", and {DIGEST} where it is sent'
        )
    return names


def _members(text: str) -> dict[str, str]:
    members: dict[str, str] = {}
    at = 0
    while at < len(text) <= _MAX_TEXT:
        found = _MEMBER.match(text, at)
        if found is None or found[1] in members:
            break
        members[found[1]] = found[2]
        at = found.end()
    else:
        if members:
            return members
    raise CredentialsError(
        'an authorization is: Bearer <key>, or hmac api_key="…", algorithm="…", headers="…", signature="…"'
    )


def _mac(text: str) -> bytes:
    try:
        mac = a2b_base64(text)
    except ValueError:
        mac = b""
    # A second spelling of the same bytes would be a second signature to whoever remembers them.
    if len(mac) != _MAC_BYTES or b2a_base64(mac, newline=False) != text.encode():
        raise CredentialsError("signature must be the base64 of 32 bytes")
    return mac


class Lines(NamedTuple):
    """What a signature says of its request.

    Attributes:
        date: as it was sent.
        request_line: such as `POST /v1/private/ocr HTTP/1.1`.
        digest: such as `SHA-256=…`; "" where none is signed.
    """

    host: str
    date: str
    request_line: str
    digest: str = ""

    def text(self, names: Iterable[str]) -> str:
        """Returns the string to sign."""
        if names == REQUIRED:
            return f"host: {self.host}\ndate: {self.date}\n{self.request_line}"
        if names == WITH_DIGEST:
            return f"host: {self.host}\ndate: {self.date}\n{self.request_line}\ndigest: {self.digest}"
        lines = {
            "host": f"host: {self.host}",
            "date": f"date: {self.date}",
            "request-line": self.request_line,
            DIGEST: f"digest: {self.digest}",
        }
        return "\n".join(lines[name] for name in names)


def request_lines(method: str, target: str) -> list[str]:
    """Returns what a caller may have signed as the request line: the path alone, or what was asked of it too.

    Args:
        method: as `POST`.
        target: the path and query, without the members of the signature.
    """
    whole = f"{method} {target} HTTP/1.1"
    path, has_query, _ = target.partition("?")
    return [f"{method} {path} HTTP/1.1", whole] if has_query else [whole]


def split_target(target: str) -> tuple[str, Mapping[str, str]]:
    """Returns a target without the members of a signature, and these members, decoded.

    Members that are named twice are all kept in the target: then it carries no signature.
    """
    # Most have none; the rest takes as long as all else that is read of a signature.
    if "authorization=" not in target:
        return target, {}
    path, _, query = target.partition("?")
    found: dict[str, str] = {}
    rest = []
    for member in query.split("&") if query else ():
        name, _, value = member.partition("=")
        if name in QUERY_MEMBERS and name not in found:
            found[name] = _unquoted(value) if name == _AUTHORIZATION else _unquoted_once(value)
        else:
            rest.append(member)
    if len(found) != len(QUERY_MEMBERS) or any(member.partition("=")[0] in found for member in rest):
        return target, {}
    return f"{path}?{'&'.join(rest)}" if rest else path, found


def _unquoted(value: str) -> str:
    # What base64 is full of: the general way takes as long as all the rest of a signature.
    value = value.replace("+", " ").replace("%3D", "=").replace("%2F", "/").replace("%2B", "+")
    return unquote(value, errors="surrogateescape") if "%" in value else value


#: For what is the same in all requests of a second.
_unquoted_once = lru_cache(maxsize=256)(_unquoted)


@lru_cache(maxsize=1024)
def read_date(text: str) -> float:
    """Returns the time of a date as HTTP writes it (RFC 9110, 5.6.7), ending in `GMT` or `UTC`, in seconds.

    Raises:
        CredentialsError: it is none.
    """
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        moment = None
    if moment is None or moment.utcoffset() not in (None, UTC.utcoffset(None)) or len(text) > 64:
        raise CredentialsError("date must be like: Sun, 06 Nov 1994 08:49:37 GMT")
    return moment.replace(tzinfo=UTC).timestamp()


def digest_of(body: bytes) -> str:
    """Returns a body's `Digest` (RFC 3230)."""
    return f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}"


def read_digest(text: str) -> bytes:
    """Returns the 32 bytes of a `Digest`.

    Raises:
        CredentialsError: it is none of SHA-256.
    """
    scheme, _, value = text.partition("=")
    try:
        digest = a2b_base64(value)
    except ValueError:
        digest = b""
    is_exact = len(digest) == _MAC_BYTES and b2a_base64(digest, newline=False) == value.encode()
    if not is_exact or scheme.lower() != _DIGEST_SCHEME:
        raise CredentialsError("Digest must be SHA-256=<base64 of the body's hash>")
    return digest


def date_text(now_s: float) -> str:
    """Returns a time as HTTP writes it."""
    return formatdate(now_s, usegmt=True)


def signed_url(url: str, method: str, api_key: str, secret: str, now_s: float | None = None) -> str:
    """Returns a URL with a signature in its query; the body is not signed.

    Args:
        url: what is asked for, with its query.
        method: of the request.
        api_key: the caller's.
        secret: that belongs to it.
        now_s: the time; None for now.
    """
    parts = urlsplit(url)
    lines = Lines(
        parts.hostname or "",
        date_text(time.time() if now_s is None else now_s),
        request_lines(method, parts.path or "/")[0],
    )
    members = _authorization(api_key, secret, lines, REQUIRED)
    authorization = base64.b64encode(members.encode()).decode()
    query = urlencode({"host": lines.host, "date": lines.date, "authorization": authorization})
    return f"{url}{'&' if parts.query else '?'}{query}"


def signed_headers(
    url: str, method: str, body: bytes, api_key: str, secret: str, now_s: float | None = None
) -> dict[str, str]:
    """Returns the headers that sign a request together with its body; see `signed_url`."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    date = date_text(time.time() if now_s is None else now_s)
    lines = Lines(parts.netloc, date, request_lines(method, target)[-1], digest_of(body))
    members = _authorization(api_key, secret, lines, WITH_DIGEST)
    return {
        "Host": lines.host,
        "Date": lines.date,
        "Digest": lines.digest,
        "Authorization": f"{_SCHEME} {members}",
    }


def _authorization(api_key: str, secret: str, lines: Lines, names: Iterable[str]) -> str:
    names = tuple(names)
    mac = base64.b64encode(SigningKey(secret.encode()).mac(lines.text(names))).decode()
    return f'api_key="{api_key}", algorithm="{ALGORITHM}", headers="{" ".join(names)}", signature="{mac}"'
