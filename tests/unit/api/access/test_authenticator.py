"""Who calls: each form of a signature as the bytes that are sent, and each of them with one thing changed."""

import base64
import hashlib
import hmac
import random
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest

from api.access.authenticator import Authenticator
from api.access.digests import check_body
from api.access.key_book import KeyBook
from api.access.proofs import parts_of, read_claim
from api.access.replays import Replays
from api.http.heads import Headers
from athena.access.apps import App, Key, hash_of
from athena.access.scopes import Role, Scopes
from athena.errors import AthenaError, CredentialsError, StoreError
from athena.protocol.signature import digest_of
from athena.setting_values import ANY_SIGNATURE, DIGEST_ONLY, NO_SIGNATURE, HostPattern

NOW_S = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
API_KEY, SECRET, TOKEN = "AK0011223344", "the-secret-of-shop", "athena_token-of-shop"
BODY = b'{"header": {}}'

Request = tuple[str, bytes, Headers]


def signed(text: str, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


SDK = 'api_key="{key}", algorithm="hmac-sha256", headers="host date request-line", signature="{mac}"'


def query_form(
    date: str = DATE,
    host: str = "api.example.com",
    line: str = "POST /v1/private/ocr HTTP/1.1",
    members: str = SDK,
    target: str = "/v1/private/ocr?",
    order: tuple[str, ...] = ("host", "date", "authorization"),
    secret: str = SECRET,
    key: str = API_KEY,
) -> Request:
    """Returns a request as a client of the original sends it."""
    text = f"host: {host}\ndate: {date}\n{line}"
    authorization = members.format(key=key, mac=signed(text, secret))
    values = {"host": host, "date": date, "authorization": base64.b64encode(authorization.encode()).decode()}
    query = urlencode({name: values[name] for name in order})
    return "POST", f"{target}{query}".encode(), [(b"host", b"api.example.com:30889")]


def header_form(covers_body: bool = True, host: str = "api.example.com:30889") -> Request:
    names = "host date request-line digest" if covers_body else "host date request-line"
    text = f"host: {host}\ndate: {DATE}\nPOST /v1/private/ocr?x=1 HTTP/1.1"
    text += f"\ndigest: {digest_of(BODY)}" if covers_body else ""
    members = (
        f'hmac api_key="{API_KEY}", algorithm="hmac-sha256", headers="{names}", signature="{signed(text)}"'
    )
    headers = [
        (b"host", b"api.example.com:30889"),
        (b"date", DATE.encode()),
        (b"authorization", members.encode()),
        (b"digest", digest_of(BODY).encode()),
    ]
    return "POST", b"/v1/private/ocr?x=1", headers


TIGHT = 'api_key="{key}",algorithm="hmac-sha256",headers="host date request-line",signature="{mac}"'
USERNAME = (
    'hmac username="{key}", algorithm="hmac-sha256", headers="host date request-line", signature="{mac}"'
)

#: What is seen in the wild, and what is left of the target.
VARIANTS: dict[str, tuple[Request, str]] = {
    "python-sdk": (query_form(), "/v1/private/ocr"),
    "go-sdk": (
        query_form(
            date=DATE.replace("GMT", "UTC"),
            host="api.example.com:30889",
            line="POST /v1/private/ocr?serviceId=ocr HTTP/1.1",
            target="/v1/private/ocr?serviceId=ocr&",
            order=("authorization", "date", "host"),
        ),
        "/v1/private/ocr?serviceId=ocr",
    ),
    "go-demo": (
        query_form(
            host="api.example.com:30889", members=TIGHT, target="/v1/private/ocr?stream_mode=multiplex&"
        ),
        "/v1/private/ocr?stream_mode=multiplex",
    ),
    "java-demo": (
        query_form(members=USERNAME, order=("authorization", "host", "date")),
        "/v1/private/ocr",
    ),
    "headers": (header_form(covers_body=False), "/v1/private/ocr?x=1"),
    "headers-host-name": (
        header_form(covers_body=False, host="api.example.com"),
        "/v1/private/ocr?x=1",
    ),
    "digest": (header_form(), "/v1/private/ocr?x=1"),
}


class Clock:
    def __init__(self) -> None:
        self.now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


def book(*apps: App, admin: str = "") -> KeyBook:
    made = KeyBook(admin)
    made.replace(apps or (SHOP,), lambda key: key.secret or None)
    return made


SHOP = App("shop", keys=(Key(API_KEY, hash_of(TOKEN.encode()), SECRET),))


def authenticator(
    known: KeyBook | None = None,
    signatures: str = ANY_SIGNATURE,
    repeat_s: float = 5.0,
    aliases: tuple[HostPattern, ...] = (),
    clock: Callable[[], float] | None = None,
) -> Authenticator:
    return Authenticator(known or book(), signatures, repeat_s, aliases, clock or Clock())


def with_target(request: Request, target: bytes) -> Request:
    return request[0], target, request[2]


def with_header(request: Request, name: bytes, value: bytes) -> Request:
    method, target, headers = request
    return method, target, [(known, value if known == name else held) for known, held in headers]


def bearer(token: str) -> Request:
    return "GET", b"/v1/jobs", [(b"host", b"x"), (b"authorization", b"Bearer " + token.encode())]


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_is_accepted(name: str) -> None:
    request, target = VARIANTS[name]

    proven = authenticator().identify(*request)

    assert (proven.caller.app_id, proven.target) == ("shop", target)
    assert (proven.digest is not None) == (name == "digest")


@pytest.mark.parametrize("name", VARIANTS)
def test_variant_with_another_key_is_that_of_the_other(name: str) -> None:
    other = App("other", keys=(Key(API_KEY, "", "another secret"),))

    with pytest.raises(CredentialsError, match="its secret has not signed this text"):
        authenticator(book(other)).identify(*VARIANTS[name][0])
    with pytest.raises(CredentialsError, match="there is no such api_key"):
        authenticator(book(App("shop", keys=(Key("AK99", "", SECRET),)))).identify(*VARIANTS[name][0])


@pytest.mark.parametrize("name", VARIANTS)
def test_other_method_or_path_is_refused(name: str) -> None:
    method, target, headers = VARIANTS[name][0]

    with pytest.raises(CredentialsError, match="has not signed this text"):
        authenticator().identify("PUT" if method == "POST" else method, target, headers)
    with pytest.raises(CredentialsError, match="has not signed this text"):
        authenticator().identify(method, target.replace(b"/ocr", b"/ocs", 1), headers)


@pytest.mark.parametrize("skew_s", [-301, 301])
@pytest.mark.parametrize("name", VARIANTS)
def test_other_clock_is_refused_and_named(name: str, skew_s: int) -> None:
    clock = Clock()
    clock.now_s += skew_s

    with pytest.raises(CredentialsError, match=r"the request's date is 301 s from the gateway's clock"):
        authenticator(clock=clock).identify(*VARIANTS[name][0])
    clock.now_s -= skew_s // abs(skew_s)
    assert authenticator(clock=clock).identify(*VARIANTS[name][0])


@pytest.mark.parametrize("name", VARIANTS)
def test_other_host_is_refused_and_named(name: str) -> None:
    elsewhere = with_header(VARIANTS[name][0], b"host", b"proxy.internal")
    is_query = b"authorization=" in elsewhere[1]

    with pytest.raises(CredentialsError) as refused:
        authenticator().identify(*elsewhere)
    # In headers the host is what was asked, so another one was not signed.
    expected = "the request came to 'proxy.internal'" if is_query else "has not signed this text"
    assert expected in refused.value.message
    if is_query:
        named = (HostPattern("api.example.com"),)
        assert authenticator(aliases=named).identify(*elsewhere)


def flipped(value: bytes, place: int, bit: int) -> bytes:
    return value[:place] + bytes((value[place] ^ (1 << bit),)) + value[place + 1 :]


#: Variants whose signature covers the query.
WITH_QUERY = ("go-sdk", "headers", "headers-host-name", "digest")


@pytest.mark.parametrize("name", VARIANTS)
def test_no_bit_of_what_is_signed_can_be_changed(name: str) -> None:
    """What is accepted all the same is the same signature for the same target, spelled otherwise."""
    request, target = VARIANTS[name]
    chance = random.Random(name)
    tried = accepted = 0
    signed_parts = [part for part in request[2] if part[0] != b"digest" or name == "digest"]
    for part, value in [(b"", request[1]), *signed_parts]:
        for place in range(len(value)):
            changed_value = flipped(value, place, chance.randrange(7))
            changed = (
                with_header(request, part, changed_value) if part else with_target(request, changed_value)
            )
            tried += 1
            try:
                proven = authenticator().identify(*changed)
            except AthenaError as error:
                assert error.http_status == 401
                continue
            accepted += 1
            assert same_claim(request, changed), (part, changed_value)
            left = proven.target or ""
            assert left == target if name in WITH_QUERY else left.partition("?")[0] == "/v1/private/ocr"
    assert accepted < tried / 4


def same_claim(one: Request, other: Request) -> bool:
    claims = [
        read_claim(method, target.decode("latin-1"), parts_of(headers))
        for method, target, headers in (one, other)
    ]
    first, second = claims
    assert first is not None and second is not None
    texts = [set(claim.texts()) for claim in (first, second)]
    is_signed = any(base64.b64decode(signed(text)) == first.signature.mac for text in texts[0] & texts[1])
    return first.signature == second.signature and first.digest == second.digest and is_signed


def test_body_has_to_be_the_one_whose_digest_was_signed() -> None:
    proven = authenticator().identify(*VARIANTS["digest"][0])

    assert proven.digest == hashlib.sha256(BODY).digest()
    check_body(BODY, proven.digest)
    for place in range(len(BODY)):
        with pytest.raises(CredentialsError, match="the body is not the one"):
            check_body(flipped(BODY, place, 0), proven.digest)


def test_digest_can_be_demanded() -> None:
    strict = authenticator(signatures=DIGEST_ONLY)

    assert strict.identify(*VARIANTS["digest"][0])
    with pytest.raises(CredentialsError, match="has to cover the body"):
        strict.identify(*VARIANTS["python-sdk"][0])
    with pytest.raises(CredentialsError, match="signatures are not taken here"):
        authenticator(signatures=NO_SIGNATURE).identify(*VARIANTS["digest"][0])


def test_same_signature_may_come_again_for_a_moment() -> None:
    """All that a client sends to a path within a second has one signature; later it is a copy."""
    clock = Clock()
    asked = authenticator(clock=clock)
    for _ in range(3):
        asked.identify(*VARIANTS["python-sdk"][0])
        clock.now_s += 2

    with pytest.raises(CredentialsError, match="this signature came before"):
        asked.identify(*VARIANTS["python-sdk"][0])
    # Also when what was found out of it is forgotten, and in another spelling.
    asked.forget()
    respelled = VARIANTS["java-demo"][0]
    with pytest.raises(CredentialsError, match="this signature came before"):
        asked.identify(*respelled)


def test_no_signature_comes_twice_where_none_may() -> None:
    once = authenticator(repeat_s=0)
    once.identify(*VARIANTS["digest"][0])

    with pytest.raises(CredentialsError, match="this signature came before"):
        once.identify(*VARIANTS["digest"][0])


def test_memory_of_signatures_is_bounded() -> None:
    replays = Replays(0, max_remembered=100)
    for number in range(1000):
        replays.admit(b"%d" % number, NOW_S + number // 50, NOW_S)

    assert replays._count <= 100
    # What was forgotten is refused by its date.
    with pytest.raises(CredentialsError, match="date is too old"):
        replays.admit(b"0", NOW_S, NOW_S)


def test_signatures_are_forgotten_with_their_dates() -> None:
    replays = Replays(5)
    replays.admit(b"a", NOW_S - 300, NOW_S)
    replays.admit(b"b", NOW_S + 2, NOW_S + 2)

    assert replays._count == 1


@pytest.mark.parametrize("spelled", [b"Bearer %s", b"bearer %s", b"BEARER  %s ", b"Bearer\t%s"])
def test_bearer_key_is_known_in_every_spelling(spelled: bytes) -> None:
    headers = [(b"host", b"x"), (b"authorization", spelled % TOKEN.encode())]
    if b"\t" in spelled:
        with pytest.raises(CredentialsError):
            authenticator().identify("GET", b"/", headers)
        return

    assert authenticator().identify("GET", b"/", headers).caller.app_id == "shop"


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), hash_of(TOKEN.encode())])
def test_other_keys_open_nothing(token: str) -> None:
    with pytest.raises(CredentialsError, match="there is no such key"):
        authenticator().identify(*bearer(token))


def test_key_that_has_ended_is_refused_however_often_it_opened_before() -> None:
    clock = Clock()
    ending = App("shop", keys=(Key(API_KEY, hash_of(TOKEN.encode()), SECRET, expires_s=NOW_S + 10),))
    asked = authenticator(book(ending), clock=clock, repeat_s=60)
    for request in (bearer(TOKEN), VARIANTS["python-sdk"][0]):
        asked.identify(*request)
    clock.now_s += 10

    for request in (bearer(TOKEN), VARIANTS["python-sdk"][0]):
        with pytest.raises(CredentialsError, match=f"the key {API_KEY} has expired"):
            asked.identify(*request)


def test_changed_keys_count_at_once() -> None:
    known = book()
    asked = authenticator(known)
    for request in (bearer(TOKEN), VARIANTS["python-sdk"][0]):
        asked.identify(*request)

    viewer = App("shop", Scopes(Role.VIEWER), SHOP.keys)
    known.replace([viewer], lambda key: key.secret)
    asked.forget()

    for request in (bearer(TOKEN), VARIANTS["python-sdk"][0]):
        assert asked.identify(*request).caller.scopes.role is Role.VIEWER
    known.replace([], lambda key: None)
    asked.forget()
    for request in (bearer(TOKEN), VARIANTS["python-sdk"][0]):
        with pytest.raises(CredentialsError):
            asked.identify(*request)


def test_key_without_a_secret_signs_nothing() -> None:
    mute = App("shop", keys=(Key(API_KEY, hash_of(TOKEN.encode())),))
    for secret in ("", "\0" * 32):
        with pytest.raises(CredentialsError, match="it cannot sign"):
            authenticator(book(mute)).identify(*query_form(secret=secret))


def test_stranger_cannot_tell_a_known_key_from_another() -> None:
    messages = set()
    for key, secret in ((API_KEY, "guess"), ("AK99887766", "guess")):
        with pytest.raises(CredentialsError) as refused:
            authenticator().identify(*query_form(key=key, secret=secret))
        messages.add(refused.value.message)

    assert len(messages) == 1


@pytest.mark.parametrize(
    ("headers", "target", "message"),
    [
        ([], b"/", "send a key"),
        ([(b"authorization", b"Basic YTpi")], b"/", "an authorization is"),
        (
            [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")],
            b"/",
            "two headers authorization",
        ),
        ([(b"authorization", b"hmac x")], b"/?host=a&date=b&authorization=c", "signed twice"),
        ([], b"/?host=a&date=b&authorization=%ff", "must be base64"),
        ([], b"/?host=a&date=b", "send a key"),
    ],
)
def test_what_proves_nothing_is_named(headers: Headers, target: bytes, message: str) -> None:
    with pytest.raises(CredentialsError, match=message):
        authenticator().identify("GET", target, headers)


def test_digest_cannot_be_signed_in_a_query() -> None:
    members = (
        'api_key="{key}", algorithm="hmac-sha256", headers="host date request-line digest", signature="{mac}"'
    )

    with pytest.raises(CredentialsError, match="a digest is signed in headers"):
        authenticator().identify(*query_form(members=members))


def test_nobody_is_refused_for_an_unknown_key_while_no_key_is_known() -> None:
    """Redis was away since the gateway began: who can tell whose key is wrong?"""
    unknown = KeyBook("the token of operators")
    asked = authenticator(unknown)

    for request in (bearer(TOKEN), VARIANTS["python-sdk"][0]):
        with pytest.raises(StoreError, match="the keys are not known yet"):
            asked.identify(*request)
    caller = asked.identify(*bearer("the token of operators")).caller
    assert caller.scopes.role is Role.OPERATOR and caller.may_name("anybody") and caller.sees("anybody")
    with pytest.raises(CredentialsError, match="send a key"):
        asked.identify("GET", b"/", [])


def test_path_that_is_escaped_is_signed_as_it_is_sent() -> None:
    path = quote("/v1/private/öcr")
    request = query_form(line=f"POST {path} HTTP/1.1", target=f"{path}?")

    assert authenticator().identify(*request).target == path
