"""Callers whose wake-up was lost: their jobs are read again."""

import asyncio

import pytest

from api.gateway import waiters as waiters_module
from api.gateway.waiters import Waiters
from athena.errors import StoreError
from athena.protocol.enums import JobState
from athena.store.submission import Reply

END = Reply(job_id="j1", state=JobState.SUCCEEDED, code=0, message="", gpu_type="cpu", payload=b"{}")


async def wait_while_redis_comes_back() -> tuple[Reply, int]:
    """Returns the job's end, and how often it was looked for."""
    looks = 0

    async def look(job_id: str) -> None:
        nonlocal looks
        looks += 1
        # It is away when the reply channel is back, and answers a moment later.
        if looks == 1:
            raise StoreError("Redis cannot be reached")
        waiters.resolve(END)

    waiters = Waiters(look)
    waiters.start()
    try:
        future = waiters.add("j1")
        waiters.recheck()
        end = await asyncio.wait_for(future, 30)
    finally:
        await waiters.close()

    return end, looks


def test_look_that_failed_is_repeated_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiters_module, "RECHECK_S", 3600.0)

    assert asyncio.run(wait_while_redis_comes_back()) == (END, 2)


async def nothing(job_id: str) -> None:
    """Finds no job."""


def test_end_is_told_on_the_turn_on_which_it_came_and_once() -> None:
    told: list[object] = []

    async def scenario() -> list[object]:
        waiters = Waiters(nothing)
        waiters.add_brief("j1").when_done(lambda brief: told.append(brief.result()))
        waiters.resolve(END)
        at_once = list(told)
        await asyncio.sleep(0)
        await waiters.close()
        return at_once

    assert asyncio.run(scenario()) == [END]
    assert told == [END]


def test_caller_who_cannot_be_answered_keeps_no_other_from_his_answer() -> None:
    told: list[object] = []

    async def scenario() -> None:
        waiters = Waiters(nothing)
        waiters.add_brief("j1").when_done(lambda brief: told.append(1 / 0))
        waiters.add_brief("j1").when_done(lambda brief: told.append(brief.result()))
        waiters.resolve(END)
        await waiters.close()

    asyncio.run(scenario())

    assert told == [END]


def test_what_is_no_end_is_told_too() -> None:
    told: list[object] = []

    async def scenario() -> None:
        waiters = Waiters(nothing)
        waiters.add_brief("j1").when_done(lambda brief: told.append(brief.exception()))
        waiters.fail("j1", error)
        await asyncio.sleep(0)
        await waiters.close()

    error = StoreError("lost")
    asyncio.run(scenario())

    assert told == [error]
