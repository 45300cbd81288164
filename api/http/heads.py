"""The head of a request: what is wrong with it, and how it reads without an offer to change the protocol."""

from athena.errors import AthenaError, CodingError, HeadTooLargeError, HttpVersionError, RequestError

Headers = list[tuple[bytes, bytes]]

#: The request line and all headers, or all trailers, together.
MAX_HEAD_BYTES = 32_768

#: A field of a few bytes takes hundreds once it is read, so their number is bounded as well.
MAX_FIELDS = 100

#: What a request line holds beside its method and target, and a header beside its name and value.
_LINE_BYTES, _HEADER_BYTES = len(b"  HTTP/1.1\r\n"), len(b": \r\n")

#: Headers that offer another protocol (RFC 9110, 7.8; the settings are those of RFC 7540).
_OFFER = frozenset((b"upgrade", b"http2-settings"))

#: What browsers may do with an answer, which holds what some caller has sent: not guess its kind, run or
#: frame nothing of it, keep it in no cache, and tell nobody where it came from. No Strict-Transport-Security:
#: it would hold for all ports of the host, Flower's too.
PAGE_RULES = b"x-content-type-options: nosniff\r\nreferrer-policy: no-referrer\r\ncache-control: no-store\r\n"
BROWSER_RULES = b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n" + PAGE_RULES

#: How content types of data begin that is no text.
DATA_FAMILIES = (b"image/", b"audio/", b"video/", b"application/octet-stream")

#: What clients ask for that nobody has told what to ask for: told from others at once.
_USUAL_ACCEPTS = frozenset((b"*/*", b"application/json", b"application/json, text/plain, */*"))

#: What the page may do, in place of the policy above: load what lies beside it, ask this gateway, and show
#: data that it holds. Its styles and scripts are files.
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data: blob:; media-src data: blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE_RULE = b"content-security-policy: %s\r\n" % PAGE_POLICY.encode()

_JSON = b"application/json"
_JSON_FORMS = frozenset((_JSON, b"application/json;charset=utf-8", b'application/json;charset="utf-8"'))


def is_json(content_type: bytes) -> bool:
    """Whether a content type is that of JSON in UTF-8, however it is spelled."""
    return content_type == _JSON or content_type.lower().replace(b" ", b"") in _JSON_FORMS


def names_data(accept: bytes) -> bool:
    """Whether an `Accept` asks for data that is no text, as `image/png`."""
    return accept not in _USUAL_ACCEPTS and any(family in accept.lower() for family in DATA_FAMILIES)


def fault_of(version: str, headers: Headers) -> AthenaError | None:
    """Returns why a request must be refused, whatever it asks for (RFC 9112: 2.3, 3.2, 6.1).

    Args:
        version: of HTTP, as `1.1`.
        headers: with names in small letters.
    """
    if version not in ("1.1", "1.0"):
        return HttpVersionError("only HTTP/1.1 and HTTP/1.0 are served here")
    hosts = sum(name == b"host" for name, _ in headers)
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return RequestError(f"a request has one Host header, got {hosts}")
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if codings not in ([], [b"chunked"]):
        return CodingError("the only Transfer-Encoding known here is chunked")
    return None


def size_of(method: bytes, target: bytes, headers: Headers) -> int:
    """Returns about how many bytes a head has, or the part of it that has come."""
    fields = sum(len(name) + len(value) + _HEADER_BYTES for name, value in headers)
    return len(method) + len(target) + _LINE_BYTES + fields


def content_length(headers: Headers) -> int | None:
    """Returns how long the caller says that the body is; None where he does not, as with chunks."""
    raw = next((value for name, value in headers if name == b"content-length"), b"")
    # The parser refuses one that is no number, and one beside chunks.
    return int(raw) if raw.isdigit() else None


def too_large() -> HeadTooLargeError:
    """Returns what is told a caller whose head or trailers have no end."""
    return HeadTooLargeError(f"the request line and all headers may have at most {MAX_HEAD_BYTES} bytes")


def too_many_fields() -> HeadTooLargeError:
    """Returns what is told a caller who sends very many headers."""
    return HeadTooLargeError(f"a request may have at most {MAX_FIELDS} header fields")


def lacks_version(start: bytes) -> bool:
    """Whether the first line of a request, if it is whole, ends without a version, as in HTTP/0.9."""
    line, end, _ = start.lstrip(b"\r\n").partition(b"\n")
    return bool(end) and b" HTTP/" not in line


def without_offer(method: bytes, target: bytes, version: str, headers: Headers) -> bytes:
    """Returns a head as it would have been sent without an offer to change the protocol."""
    lines = [b"%s %s HTTP/%s" % (method, target, version.encode())]
    for name, value in headers:
        if name == b"connection":
            tokens = [token.strip() for token in value.split(b",")]
            value = b", ".join(token for token in tokens if token.lower() not in _OFFER)
        if name not in _OFFER and (value or name != b"connection"):
            lines.append(b"%s: %s" % (name, value))
    return b"\r\n".join((*lines, b"", b""))
