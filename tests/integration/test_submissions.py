"""Jobs on their way from a gateway into Redis, and out of it again: on a real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import redis
from redis.exceptions import NoScriptError

from api.gateway import answered_jobs, submissions
from api.gateway.answered_jobs import AnsweredJobs
from api.gateway.submissions import Submissions
from api.redis.link import RedisLink
from athena.errors import StoreError
from athena.store.keys import job_key, result_key
from athena.store.scripts import Command
from athena.store.verdicts import ACCEPTED

from .conftest import submission
from .test_redis_link import connected, eventually

pytestmark = pytest.mark.redis


@asynccontextmanager
async def linked(redis_url: str) -> AsyncIterator[tuple[RedisLink, Submissions]]:
    """Submissions over a link that is connected."""
    async with connected(redis_url) as link:
        yield link, Submissions(link)


def script_calls(client: redis.Redis) -> int:
    """How often scripts were run since `CONFIG RESETSTAT`."""
    stats: dict[str, Any] = client.info("commandstats")
    return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])


async def submit_together(target: Submissions, count: int, **changes: Any) -> list[Any]:
    """Submits jobs within one turn of the loop and waits for all verdicts."""
    verdicts: list[Any] = []
    for place in range(count):
        job = submission(f"j{place}", max_queue_jobs=10_000, max_open_bytes=10**9, **changes)
        target.add(job, verdicts.append)
    await eventually(lambda: len(verdicts) == count, "all verdicts are there")
    return verdicts


@pytest.mark.parametrize(("count", "calls"), [(1, 1), (12, 1), (13, 2), (36, 2), (85, 4)])
def test_jobs_of_one_turn_travel_together(
    count: int, calls: int, redis_server: str, redis_client: redis.Redis
) -> None:
    async def scenario() -> list[Any]:
        async with linked(redis_server) as (_, target):
            redis_client.config_resetstat()
            return await submit_together(target, count)

    assert asyncio.run(scenario()) == [ACCEPTED] * count
    assert script_calls(redis_client) == calls
    assert redis_client.llen("echo.any") == count


def test_large_messages_do_not_all_travel_together(
    redis_server: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submissions, "MAX_BYTES", 1000)

    async def scenario() -> list[Any]:
        async with linked(redis_server) as (_, target):
            redis_client.config_resetstat()
            return await submit_together(target, 4, message=b"x" * 600)

    assert asyncio.run(scenario()) == [ACCEPTED] * 4
    assert script_calls(redis_client) == 2


def test_jobs_are_submitted_again_when_redis_has_forgotten_the_script(
    redis_server: str, redis_client: redis.Redis
) -> None:
    async def scenario() -> list[Any]:
        async with linked(redis_server) as (_, target):
            redis_client.script_flush()
            return await submit_together(target, 2)

    assert asyncio.run(scenario()) == [ACCEPTED] * 2
    assert redis_client.llen("echo.any") == 2


class Forgetful(RedisLink):
    """A link to a Redis that forgets its scripts again and again."""

    async def execute(self, command: Command) -> Any:
        await self.send(("SCRIPT", "FLUSH"))
        return await self.send(command)


def test_all_are_told_when_the_script_cannot_be_run(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> list[Any]:
        link = Forgetful(redis_server, 5)
        link.start()
        await eventually(lambda: link.is_connected, "the link is connected")
        redis_client.script_flush()
        verdicts = await submit_together(Submissions(link), 2)
        await link.close()
        return verdicts

    assert [type(verdict) for verdict in asyncio.run(scenario())] == [NoScriptError, NoScriptError]


def test_who_cannot_bear_his_verdict_does_not_keep_it_from_others(
    redis_server: str, redis_client: redis.Redis
) -> None:
    async def scenario() -> list[Any]:
        verdicts: list[Any] = []
        async with linked(redis_server) as (_, target):
            target.add(submission("j0"), lambda verdict: verdicts.append(1 / 0))
            target.add(submission("j1"), verdicts.append)
            await eventually(lambda: verdicts, "the other one is told")
        return verdicts

    assert asyncio.run(scenario()) == [ACCEPTED]


def test_nothing_overtakes_what_was_added_before(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> Any:
        async with linked(redis_server) as (link, target):
            target.add(submission("j0"), lambda verdict: None)
            target.send_pending()
            return await link.send(("LLEN", "echo.any"))

    assert asyncio.run(scenario()) == 1


def test_broken_connection_is_no_error_of_who_submits(redis_server: str, redis_client: redis.Redis) -> None:
    async def scenario() -> list[Any]:
        async with linked(redis_server) as (link, target):
            connection: Any = link._connection
            await connection.disconnect(nowait=True)
            return await submit_together(target, 40)

    assert {type(verdict) for verdict in asyncio.run(scenario())} == {StoreError}


def test_all_are_told_when_redis_cannot_be_reached() -> None:
    async def scenario() -> list[Any]:
        return await submit_together(Submissions(RedisLink("redis://127.0.0.1:1/0", 1)), 2)

    verdicts = asyncio.run(scenario())

    assert [type(verdict) for verdict in verdicts] == [StoreError, StoreError]


@pytest.mark.spoils_keys
def test_what_was_answered_goes_after_a_while(
    redis_server: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answered_jobs, "KEPT_S", 0.2)
    monkeypatch.setattr(answered_jobs, "DROPPED_AT_ONCE", 2)
    names = [f"j{number}" for number in range(5)]
    for name in [*names, "other"]:
        redis_client.hset(job_key(name), "state", "succeeded")
        redis_client.set(result_key(name), "{}")

    async def scenario() -> None:
        async with connected(redis_server) as link:
            target = AnsweredJobs(link)
            for name in names:
                target.add(name)
            await asyncio.sleep(0.05)
            assert redis_client.exists(*map(job_key, names)) == 5
            await eventually(lambda: redis_client.dbsize() == 2, "what was answered is gone")
            target.close()

    asyncio.run(scenario())
    assert redis_client.exists(job_key("other"), result_key("other")) == 2


def test_what_was_answered_is_left_to_its_ttl_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answered_jobs, "KEPT_S", 0.01)
    complaints: list[dict[str, Any]] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        target = AnsweredJobs(RedisLink("redis://127.0.0.1:1/0", 1))
        target.add("j1")
        await asyncio.sleep(0.1)
        target.add("j2")
        target.close()

    asyncio.run(scenario())
    assert complaints == []
