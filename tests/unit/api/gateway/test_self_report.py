"""What a gateway tells of itself: nothing is lost, nothing counts twice."""

import asyncio
import time
from typing import Any

import pytest

from api.gateway.http_tally import HttpTally
from api.gateway.self_report import LoopLag, SelfReport
from athena.errors import StoreError
from athena.fleet.gateway_report import GatewayReport, present_gateways
from athena.store.scripts import Command

REPORT = GatewayReport("a:1", "0.1", True, 0.25, 3, 4, 5, 6)


class Redis:
    """Takes commands, or refuses them."""

    def __init__(self) -> None:
        self.is_away = False
        self.told: list[Command] = []

    async def execute(self, command: Command) -> Any:
        self.told.append(command)
        if self.is_away:
            raise StoreError("Redis cannot be reached")


def make(redis: Redis) -> tuple[HttpTally, SelfReport]:
    tally = HttpTally(lambda: 0.0)
    return tally, SelfReport("g1", tally, lambda: REPORT, redis.execute)


def changes(command: Command) -> dict[tuple[Any, Any], Any]:
    """Returns what a gateway tells that it has counted."""
    flat = command[6:]
    return {(flat[at], flat[at + 1]): flat[at + 2] for at in range(0, len(flat), 3)}


def test_requests_are_told_by_ability_status_and_time() -> None:
    redis = Redis()
    tally, report = make(redis)
    for seconds in (0.001, 0.002, 0.4):
        tally.count("echo", 200, seconds, 300)
    tally.count("echo", 503, 1000)
    tally.count_job("echo", 2000)
    tally.count("", 404, 0.03)

    asyncio.run(report.tell())

    assert changes(redis.told[0]) == {
        ("echo", "http 200"): 3,
        ("echo", "http 503"): 1,
        ("echo", "http_le 2"): 2,
        ("echo", "http_le 500"): 1,
        ("echo", "http_le inf"): 1,
        ("echo", "http_sum"): 10_004_030,
        ("echo", "answer_bytes_le 256"): 1,
        ("echo", "answer_bytes_le 1024"): 3,
        ("echo", "answer_bytes_sum"): 900,
        ("echo", "job_bytes_le 4096"): 1,
        ("echo", "job_bytes_sum"): 2000,
        ("", "answer_bytes_le 256"): 1,
        ("", "http 404"): 1,
        ("", "http_le 50"): 1,
        ("", "http_sum"): 300,
    }


def test_what_redis_did_not_take_is_told_again_under_its_number() -> None:
    redis = Redis()
    tally, report = make(redis)
    tally.count("echo", 200, 0.001)
    redis.is_away = True
    for _ in range(2):
        with pytest.raises(StoreError):
            asyncio.run(report.tell())
    tally.count("echo", 200, 0.001)
    redis.is_away = False
    asyncio.run(report.tell())
    asyncio.run(report.tell())

    assert redis.told[0] == redis.told[1] == redis.told[2]
    assert [command[4] for command in redis.told] == [1, 1, 1, 2]
    assert changes(redis.told[3])["echo", "http 200"] == 1


def test_gateway_that_ends_tells_what_is_left_and_that_it_goes() -> None:
    redis = Redis()
    tally, report = make(redis)
    tally.count("echo", 200, 0.001)

    asyncio.run(report.close())

    assert changes(redis.told[0])["echo", "http 200"] == 1
    assert redis.told[-1] == ("HDEL", "athena:gateways", "g1")


def test_loop_that_stands_still_is_late() -> None:
    async def block() -> float:
        lag = LoopLag(lambda: True)
        lag.start()
        await asyncio.sleep(0.01)
        # Blocks the loop on purpose.
        time.sleep(0.5)
        deadline_s = asyncio.get_running_loop().time() + 30
        while not (worst_s := lag.take()) and asyncio.get_running_loop().time() < deadline_s:
            await asyncio.sleep(0.05)
        await lag.close()
        return worst_s

    assert asyncio.run(block()) > 0.3


@pytest.mark.parametrize(("is_busy", "pause_s"), [(True, 0.1), (False, 1.0)])
def test_loop_of_a_gateway_without_requests_is_left_asleep(
    is_busy: bool, pause_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    async def note(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", note)
    asyncio.run(LoopLag(lambda: is_busy)._probe())

    assert pauses == [pause_s]


def test_gateway_is_busy_until_nothing_was_counted_between_two_takes() -> None:
    tally = HttpTally(time.perf_counter)
    assert not tally.is_busy

    tally.count("echo", 200, 0.001)
    tally.take()
    # What is counted is taken each second: a gateway with a request now and then is not taken for idle.
    assert tally.is_busy
    tally.take()
    assert not tally.is_busy


def test_last_word_of_an_address_counts_and_what_cannot_be_read_is_left_out() -> None:
    older, newer = REPORT.encode(), REPORT.encode().replace(b'"0.1"', b'"0.2"')
    other = REPORT.encode().replace(b'"a:1"', b'"b:1"')
    raw = {
        b"new": b"50000 3 " + newer,
        b"old": b"49000 9 " + older,
        b"dead": b"20000 9 " + other,
        b"nonsense": b"nonsense",
        b"odd": b"1 1 " + REPORT.encode().replace(b'"lag_s":0.25', b'"lag_s":"x"'),
    }

    found = {report.address: (report.version, is_alive) for report, is_alive in present_gateways(raw, 51_000)}

    assert found == {"a:1": ("0.2", True), "b:1": ("0.1", False)}
