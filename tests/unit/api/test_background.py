"""Work that goes on beside all requests."""

import asyncio

import pytest

from api.background import BackgroundLoop, until_next_s


def test_step_is_taken_again_and_again_until_it_is_closed() -> None:
    taken: list[int] = []

    async def step() -> None:
        taken.append(len(taken))

    async def scenario() -> None:
        loop = BackgroundLoop("counting", step, lambda: 0)
        loop.start()
        while len(taken) < 5:
            await asyncio.sleep(0)
        await loop.close()
        taken.clear()
        for _ in range(5):
            await asyncio.sleep(0)

    asyncio.run(scenario())

    assert taken == []


def test_step_that_fails_is_told_of_and_taken_again(caplog: pytest.LogCaptureFixture) -> None:
    taken: list[int] = []

    async def step() -> None:
        taken.append(len(taken))
        if len(taken) < 3:
            raise ZeroDivisionError

    async def scenario() -> None:
        loop = BackgroundLoop("the count", step, lambda: 0)
        loop.start()
        while len(taken) < 5:
            await asyncio.sleep(0)
        await loop.close()

    asyncio.run(scenario())

    assert [record.message for record in caplog.records] == ["the count has failed, and goes on"] * 2


def test_close_ends_it_within_a_step_and_waits_for_what_the_step_puts_in_order() -> None:
    did: list[str] = []

    async def step() -> None:
        try:
            did.append("began")
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            did.append("tidied")

    async def scenario() -> None:
        loop = BackgroundLoop("waiting", step, lambda: 0)
        await loop.close()
        loop.start()
        while not did:
            await asyncio.sleep(0)
        await loop.close()
        await loop.close()

    asyncio.run(scenario())

    assert did == ["began", "tidied"]


@pytest.mark.parametrize("pause_s", [0.2, 0.5, 1.0])
def test_loops_have_their_moments_together(pause_s: float) -> None:
    times_s = [1000.0, 1000.07, 1000.9, 1001.0, 123456.789]

    pauses_s = [until_next_s(now_s, pause_s) for now_s in times_s]

    assert all(0 < found_s <= pause_s for found_s in pauses_s)
    moments = [(now_s + found_s) / pause_s for now_s, found_s in zip(times_s, pauses_s, strict=True)]
    assert moments == pytest.approx([round(moment) for moment in moments])


def test_loop_without_a_pause_goes_on_at_once() -> None:
    assert until_next_s(1000.3, 0) == 0
