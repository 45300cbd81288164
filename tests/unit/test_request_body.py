"""How much of all bodies a gateway holds."""

import asyncio
from collections.abc import Sequence

import pytest

from api.request_body import ByteBudget, Message, RequestBody
from athena.errors import QueueFullError


def body_of(budget: ByteBudget, *parts: bytes) -> RequestBody:
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": index < len(parts) - 1}
        for index, part in enumerate(parts)
    ]

    async def receive() -> Message:
        return messages.pop(0)

    return RequestBody(receive, sum(map(len, parts)), budget)


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
