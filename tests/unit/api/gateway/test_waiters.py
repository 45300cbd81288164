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
