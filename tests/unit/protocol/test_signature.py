"""Signatures: each form that clients of the original use, as the bytes that they send."""

import base64
import hashlib
import hmac

import pytest

from athena.errors import CredentialsError
from athena.protocol.signature import (
    Lines,
    digest_of,
    read_authorization,
    read_date,
    read_digest,
    read_query_authorization,
    request_lines,
    signed_headers,
    signed_url,
    split_target,
)
from athena.protocol.signing_key import SigningKey

SECRET = "c2VjcmV0LW9mLXRoZS10ZXN0"
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
MOMENT_S = 784111777

#: What `openssl dgst -sha256 -hmac` says of "host: api.example.com\ndate: …\nPOST /v1/private/ocr HTTP/1.1".
MAC = base64.b64encode(
    hmac.new(
        SECRET.encode(),
        b"host: api.example.com\ndate: Sun, 06 Nov 1994 08:49:37 GMT\nPOST /v1/private/ocr HTTP/1.1",
        hashlib.sha256,
    ).digest()
).decode()

BLANKS = f'api_key="AK1234", algorithm="hmac-sha256", headers="host date request-line", signature="{MAC}"'


@pytest.mark.parametrize(
    "text",
    [
        BLANKS,
        BLANKS.replace(", ", ","),
        f"hmac {BLANKS}",
        f"hmac {BLANKS}".replace("api_key", "username"),
        BLANKS.replace(", algorithm", " , algorithm"),
    ],
)
def test_members_are_read_in_every_spelling(text: str) -> None:
    signature = read_authorization(text)

    assert signature.api_key == "AK1234"
    assert signature.names == ("host", "date", "request-line")
    assert not signature.covers_body
    lines = Lines("api.example.com", DATE, "POST /v1/private/ocr HTTP/1.1")
    assert signature.mac == SigningKey(SECRET.encode()).mac(lines.text(signature.names))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("hmac-sha256", "hmac-sha1"), "algorithm must be"),
        (("host date request-line", "host date"), "a signature covers headers="),
        (("host date request-line", "host date request-line x-y"), "a signature covers headers="),
        (("host date request-line", "host host date request-line"), "a signature covers headers="),
        ((MAC, MAC[:-4]), "base64 of 32 bytes"),
        ((MAC, MAC + "="), "base64 of 32 bytes"),
        ((MAC, "%" + MAC[1:]), "base64 of 32 bytes"),
        (("AK1234", ""), "names no api_key"),
        (('api_key="AK1234"', "api_key=AK1234"), "an authorization is"),
        (('algorithm="hmac-sha256"', 'api_key="AK1234"'), "an authorization is"),
        ((BLANKS, ""), "an authorization is: Bearer <key>, or hmac"),
        ((BLANKS, "x" * 4000), "an authorization is"),
    ],
)
def test_what_cannot_be_read_is_named(change: tuple[str, str], message: str) -> None:
    with pytest.raises(CredentialsError, match=message):
        read_authorization(BLANKS.replace(*change))


def test_second_spelling_of_a_signature_is_refused() -> None:
    """The last character of a base64 text holds bits that belong to no byte."""
    spelled = f"{MAC[:-2]}{chr(ord(MAC[-2]) + 1)}="

    assert base64.b64decode(spelled) == base64.b64decode(MAC)
    with pytest.raises(CredentialsError, match="base64 of 32 bytes"):
        read_authorization(BLANKS.replace(MAC, spelled))


def test_query_form_is_read_where_a_plus_was_not_escaped() -> None:
    text = base64.b64encode(BLANKS.encode() + b" ").decode()

    assert read_query_authorization(text.replace("+", " ")).api_key == "AK1234"
    with pytest.raises(CredentialsError, match="must be base64"):
        read_query_authorization("no base64!")
    with pytest.raises(CredentialsError, match="must be base64"):
        read_query_authorization(base64.b64encode(b"\xff\xfe").decode())


@pytest.mark.parametrize(
    ("target", "rest", "names"),
    [
        ("/a", "/a", 0),
        ("/a?x=1", "/a?x=1", 0),
        ("/a?host=h&date=d&authorization=z", "/a", 3),
        ("/a?authorization=z&x=1&host=h&y&date=d", "/a?x=1&y", 3),
        ("/a?host=h&date=d", "/a?host=h&date=d", 0),
        ("/a?host=h&date=d&authorization=z&host=i", "/a?host=h&date=d&authorization=z&host=i", 0),
    ],
)
def test_signature_is_taken_out_of_a_target(target: str, rest: str, names: int) -> None:
    found_rest, members = split_target(target)

    assert (found_rest, len(members)) == (rest, names)


def test_members_of_the_query_are_decoded() -> None:
    _, members = split_target("/a?host=h&date=Sun%2C+06+Nov+1994+08%3A49%3A37+GMT&authorization=ab%3D%3D")

    assert members == {"host": "h", "date": DATE, "authorization": "ab=="}


def test_request_line_may_hold_the_query_or_not() -> None:
    assert request_lines("GET", "/v1/jobs") == ["GET /v1/jobs HTTP/1.1"]
    assert request_lines("GET", "/v1/jobs?limit=1") == [
        "GET /v1/jobs HTTP/1.1",
        "GET /v1/jobs?limit=1 HTTP/1.1",
    ]


@pytest.mark.parametrize("text", [DATE, DATE.replace("GMT", "UTC"), DATE.replace("GMT", "+0000")])
def test_dates_are_read(text: str) -> None:
    assert read_date(text) == MOMENT_S


@pytest.mark.parametrize(
    "text", ["", "yesterday", "Sun, 06 Nov 1994 08:49:37 +0200", "Sun, 99 Nov 1994 08:49:37 GMT", "9" * 100]
)
def test_other_dates_are_refused(text: str) -> None:
    with pytest.raises(CredentialsError, match="date must be like"):
        read_date(text)


def test_digest_is_that_of_the_standard() -> None:
    # RFC 3230, 4.3.2 with SHA-256; the empty body's hash is known everywhere.
    assert digest_of(b"") == "SHA-256=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert read_digest(digest_of(b"x").replace("SHA", "sha")) == hashlib.sha256(b"x").digest()
    for wrong in ("MD5=abcd", "SHA-256=", "SHA-256=abcd", "nothing"):
        with pytest.raises(CredentialsError, match="Digest must be"):
            read_digest(wrong)


def test_signed_url_is_what_the_original_client_sends() -> None:
    url = signed_url(
        "http://api.example.com:30889/v1/private/ocr", "POST", "AK1234", SECRET, now_s=MOMENT_S + 0.4
    )

    target, members = split_target(url.partition("30889")[2])
    assert target == "/v1/private/ocr"
    assert (members["host"], members["date"]) == ("api.example.com", DATE)
    assert base64.b64decode(members["authorization"]).decode() == BLANKS


def test_signed_headers_sign_the_body() -> None:
    headers = signed_headers("http://a.b:1/x?y=1", "POST", b"body", "AK1234", SECRET, now_s=MOMENT_S)

    signature = read_authorization(headers["Authorization"])
    lines = Lines("a.b:1", DATE, "POST /x?y=1 HTTP/1.1", digest_of(b"body"))
    assert signature.covers_body
    assert signature.mac == SigningKey(SECRET.encode()).mac(lines.text(signature.names))
