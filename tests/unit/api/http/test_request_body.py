"""How much of all bodies a gateway holds."""

import asyncio
import gzip
import zlib
from collections.abc import Sequence

import pytest

from api.http.request_body import ByteBudget, Message, RequestBody
from athena.errors import AthenaError, BodyTooLargeError, ContentCodingError, QueueFullError, RequestError


def body_of(budget: ByteBudget, *parts: bytes, coding: str = "") -> RequestBody:
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
        for index, part in enumerate(parts)
    ]

    async def receive() -> Message:
        return messages.pop(0)

    return RequestBody(receive, sum(map(len, parts)), budget, coding)


def read(body: RequestBody) -> bytes:
    return asyncio.run(body.read(1000))


def test_bodies_are_counted_until_they_are_released() -> None:
    budget = ByteBudget(100)
    first, second = body_of(budget, b"x" * 40, b"y" * 20), body_of(budget, b"z" * 30)

    assert (read(first), read(first), read(second)) == (b"x" * 40 + b"y" * 20,) * 2 + (b"z" * 30,)
    held = [budget.held_bytes]
    for body in (first, second, second):
        body.release()
        held.append(budget.held_bytes)

    assert held == [90, 30, 0, 0]


def test_body_that_is_over_the_budget_is_refused_and_forgotten() -> None:
    budget = ByteBudget(100)
    first = body_of(budget, b"x" * 80)
    read(first)
    second = body_of(budget, b"y" * 10, b"y" * 20)

    with pytest.raises(QueueFullError, match="holds 80 bytes of other requests") as refusal:
        read(second)

    assert (refusal.value.http_status, refusal.value.retry_after_s) == (429, 1)
    assert not second.is_complete or budget.held_bytes == 90
    second.release()
    assert budget.held_bytes == 80


@pytest.mark.parametrize("parts", [[b"x" * 500], [b"x" * 90, b"x" * 90, b"x" * 90]])
def test_single_body_always_fits(parts: Sequence[bytes]) -> None:
    budget = ByteBudget(100)

    assert read(body_of(budget, *parts)) == b"".join(parts)


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", gzip.compress(b"plain", mtime=0)),
        ("x-gzip", gzip.compress(b"plain", mtime=0)),
        ("deflate", zlib.compress(b"plain")),
        ("identity", b"plain"),
        ("", b"plain"),
    ],
)
def test_packed_body_is_unpacked(coding: str, packed: bytes) -> None:
    budget = ByteBudget(10_000)
    body = body_of(budget, packed[:3], packed[3:], coding=coding)

    assert read(body) == b"plain"
    assert read(body) == b"plain"
    body.release()
    assert budget.held_bytes == 0


def test_unpacked_body_has_the_limit_of_any_other() -> None:
    budget = ByteBudget(10**9)
    assert len(read(body_of(budget, gzip.compress(bytes(1000)), coding="gzip"))) == 1000

    with pytest.raises(BodyTooLargeError) as refusal:
        read(body_of(budget, gzip.compress(bytes(1001)), coding="gzip"))

    assert refusal.value.problems[0].detail == (
        "has more than 1000 bytes when it is unpacked; the limit is 1000"
    )


@pytest.mark.parametrize(
    ("content_type", "length", "coding", "said"),
    [
        (
            b"application/json",
            1300,
            "",
            "has 1300 bytes; the limit is 1000; base64 makes",
        ),
        (b"application/json; charset=utf-8", 1333, "", "this one fits"),
        (b"application/json", 1400, "", "has 1400 bytes; the limit is 1000"),
        (b"application/json", 1300, "gzip", "has 1300 bytes; the limit is 1000"),
        (b"image/png", 1300, "", "has 1300 bytes; the limit is 1000"),
        (b"application/json", None, "", "has more than 1000 bytes; the limit is 1000"),
    ],
)
def test_body_that_is_too_large_hears_whether_it_would_fit_without_base64(
    content_type: bytes, length: int | None, coding: str, said: str
) -> None:
    async def receive() -> Message:
        return {"type": "http.request", "body": bytes(length or 1300), "more_body": False}

    headers = [(b"host", b"x"), (b"content-type", content_type)]
    body = RequestBody(receive, length, ByteBudget(10**9), coding, headers=headers)
    with pytest.raises(BodyTooLargeError) as refusal:
        read(body)

    detail = refusal.value.problems[0].detail
    assert said in detail
    assert ("fits" in detail) == (content_type != b"image/png" and length in (1300, 1333) and not coding)


def test_unpacked_bodies_count_as_held() -> None:
    budget = ByteBudget(1500)
    read(body_of(budget, gzip.compress(bytes(900)), coding="gzip"))

    with pytest.raises(QueueFullError):
        read(body_of(budget, gzip.compress(bytes(900)), coding="gzip"))


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip,gzip", "compress", "\xff"])
def test_unknown_coding_is_refused_before_the_body_is_read(coding: str) -> None:
    with pytest.raises(ContentCodingError) as refusal:
        read(body_of(ByteBudget(100), b"x", coding=coding))

    assert refusal.value.http_status == 415


def test_body_that_is_not_packed_as_it_says_is_refused() -> None:
    with pytest.raises(RequestError) as refusal:
        read(body_of(ByteBudget(100), b"plain", coding="gzip"))

    assert refusal.value.http_status == 400
    assert refusal.value.problems[0].detail == "is not gzip data; its content-encoding says gzip"


def test_refusal_stays_when_the_body_is_asked_for_again() -> None:
    """The ordinary way asks a second time, for what is gone by then."""
    body = body_of(ByteBudget(10_000), b"y" * 900, b"y" * 900, b"rest")

    for _ in range(2):
        with pytest.raises(AthenaError, match="too large"):
            read(body)
