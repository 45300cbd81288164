"""What is looked for after each test: keys that outlive their job, and that nothing would ever remove."""

import pytest
import redis

from tests.leftovers import leftovers

from .conftest import Store

pytestmark = [pytest.mark.redis, pytest.mark.spoils_keys]


def test_open_job_may_have_keys_without_a_ttl(store: Store, redis_client: redis.Redis) -> None:
    store.put_payload("queued", b"inputs")
    store.submit("queued", request_id="r1", claim=True)
    store.submit("held")
    store.take(1)

    assert leftovers(redis_client) == []


@pytest.mark.parametrize("end", ["finish", "cancel"])
def test_job_that_has_ended_leaves_nothing(store: Store, redis_client: redis.Redis, end: str) -> None:
    store.submit("j1", request_id="r1", abandonable=True, gateway="g1")
    (job,) = store.take()
    if end == "cancel":
        store.leave("j1", "g1")
    store.finish("j1", job.token)

    assert leftovers(redis_client) == []


@pytest.mark.parametrize("key", ["athena:job:j1", "athena:result:j1", "athena:request:r1"])
def test_key_of_an_ended_job_that_lost_its_ttl_is_found(
    store: Store, redis_client: redis.Redis, key: str
) -> None:
    store.submit("j1", request_id="r1")
    (job,) = store.take()
    store.finish("j1", job.token)

    assert redis_client.persist(key)

    assert leftovers(redis_client) == [
        f"{key} has no TTL, and its job{'s have' if 'request' in key else ' has'} ended"
    ]


@pytest.mark.parametrize("key", ["athena:payload:stranger", "athena:message:stranger"])
def test_key_of_no_job_is_found(redis_client: redis.Redis, key: str) -> None:
    redis_client.set(key, "inputs")

    assert leftovers(redis_client) == [f"{key} has no TTL, and its job has ended"]


def test_job_that_stays_on_a_list_is_found(redis_client: redis.Redis) -> None:
    redis_client.zadd("athena:open:echo", {"j1": 1})
    redis_client.sadd("athena:canceled:w1", "j2")

    assert leftovers(redis_client) == [
        "athena:canceled:w1 holds j2, which its worker has let go of",
        "athena:open:echo holds j1, which has ended",
    ]


def test_bytes_that_stay_counted_are_found(store: Store, redis_client: redis.Redis) -> None:
    store.submit("j1")
    (job,) = store.take()
    store.finish("j1", job.token)

    redis_client.hincrby("athena:load:echo", "bytes", 7)

    assert leftovers(redis_client) == ["athena:load:echo counts 7 bytes of open jobs, and none is open"]
