"""What the scripts count of jobs, each once, whatever is told twice and whoever dies."""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import pytest
import redis

from athena.jobs.record import Outcome
from athena.operations.jobs import cancel_jobs
from athena.operations.steps import run_steps
from athena.operations.surveys import survey_abilities
from athena.protocol.enums import JobState
from athena.protocol.interface import Interface, Limits
from athena.store import keys
from athena.store.books.counts import INFINITE, Counts, Survey, fold_command
from athena.store.fencing import Rerouting, sweep_command
from athena.telemetry.metrics import SECONDS

from .conftest import ANY_QUEUE, CPU_QUEUE, Store, failed, succeeded

pytestmark = pytest.mark.redis

ECHO = Interface("echo", "v1", "", (), (), (), ("cpu",), True, Limits())


@pytest.fixture
def fleet(store: Store) -> Store:
    store.register("w1")
    store.raw("HSET", keys.ABILITIES, "echo", ECHO.encode())
    return store


def survey(store: Store) -> Survey:
    (found,) = run_steps(survey_abilities(["echo"]), store.run)
    return found


def counts(store: Store) -> Counts:
    return survey(store).counts


def ends(store: Store) -> Mapping[tuple[str, ...], int]:
    return counts(store).of("end")


def run(store: Store, job_id: str, outcome: Outcome | None = None, **changes: object) -> None:
    store.submit(job_id, **changes)
    (job,) = store.take()
    store.finish(job.job_id, job.token, outcome)


def test_jobs_are_counted_as_they_come_and_end(fleet: Store) -> None:
    run(fleet, "j1")
    run(fleet, "j2", failed())
    fleet.submit("j3", queue="echo.any.high")
    run_steps(cancel_jobs(["j3"], "enough"), fleet.run)
    fleet.submit("j4", queue=CPU_QUEUE)

    found = counts(fleet)

    assert survey(fleet).submitted() == {"normal": 3, "high": 1}
    assert found.of("end") == {("succeeded", "cpu"): 1, ("failed", "cpu"): 1, ("canceled", ""): 1}
    assert survey(fleet).open_jobs == 1


def test_what_is_told_twice_is_counted_once(fleet: Store) -> None:
    fleet.submit("j1")
    (job,) = fleet.take()
    for _ in range(3):
        fleet.finish("j1", job.token)

    assert counts(fleet).of("end") == {("succeeded", "cpu"): 1}
    assert ends(fleet) == {("succeeded", "cpu"): 1}


def test_request_that_finds_its_job_is_no_new_one(fleet: Store) -> None:
    for _ in range(2):
        fleet.submit("j1", request_id="r1")

    assert survey(fleet).submitted() == {"normal": 1}
    assert counts(fleet).of("refused") == {}


@pytest.mark.parametrize(
    ("reason", "changes"),
    [
        ("queue_full", {"max_queue_jobs": 1}),
        ("bytes_full", {"bytes": 10, "max_open_bytes": 5}),
        ("conflict", {"request_id": "r1", "body_hash": "other"}),
        ("inputs_lost", {"claim": True}),
    ],
)
def test_rejected_jobs_are_counted_by_reason(fleet: Store, reason: str, changes: dict[str, object]) -> None:
    fleet.submit("j1", request_id="r1", bytes=10)
    verdict = fleet.submit("j2", **changes)

    assert verdict[0] not in (b"accepted", b"attached")
    assert counts(fleet).of("refused") == {(reason,): 1}
    assert survey(fleet).submitted() == {"normal": 1}


def test_job_whose_keys_are_of_a_wrong_kind_is_counted_as_rejected(
    fleet: Store, redis_client: redis.Redis
) -> None:
    redis_client.set("athena:line:echo.any", "nonsense")
    assert fleet.submit("j1")[0] == b"failed"
    redis_client.delete("athena:line:echo.any")

    assert counts(fleet).of("refused") == {("redis_error",): 1}


def test_canaries_are_not_counted(fleet: Store) -> None:
    run(fleet, "c1", abandonable=True, is_canary=True)
    run(fleet, "j1", abandonable=True)

    found = counts(fleet)
    assert survey(fleet).submitted() == {"normal": 1}
    assert found.of("end") == {("succeeded", "cpu"): 1}
    assert found.spread("run")["cpu"].count == 1


def test_times_and_batches_are_spread(fleet: Store, redis_client: redis.Redis) -> None:
    for number, (exec_ms, batch_size) in enumerate(
        [(0.24, 1), (4.96, 3), (5.0, 3), (5.04, 3), (400_000.0, 1)]
    ):
        fleet.submit(f"j{number}")
        (job,) = fleet.take()
        redis_client.hincrby(keys.job_key(job.job_id), "queued_ms", -int(exec_ms) - 700)
        fleet.finish(
            job.job_id, job.token, Outcome(JobState.SUCCEEDED, b"1", exec_ms=exec_ms, batch_size=batch_size)
        )

    found = counts(fleet)
    times = found.spread("run")["cpu"]
    assert times.buckets == {2: 1, 5: 3, float(INFINITE): 1}
    assert times.total == pytest.approx(0.2 + 5.0 + 5.0 + 5.0 + 400_000)
    assert found.spread("batch")["cpu"].buckets == {1: 2, 3: 1}
    assert found.spread("batch")["cpu"].total == 5
    waits, totals = found.spread("wait")["cpu"], found.spread("total")["cpu"]
    assert waits.count == totals.count == 5
    # None waited for less than was added, and the machine adds some.
    assert sum(count for limit, count in waits.buckets.items() if limit < 1000) == 0
    assert totals.total == pytest.approx(waits.total + times.total)


def test_limits_are_those_of_the_table() -> None:
    text = (resources.files("athena.store") / "lua" / "lib" / "tally.lua").read_text()
    (limits,) = re.findall(r"local BOUNDS = \{(.*)\}", text)

    assert [int(limit) / 1000 for limit in limits.split(", ")] == list(SECONDS)


def test_ends_wait_in_a_short_line_and_none_is_lost(fleet: Store, redis_client: redis.Redis) -> None:
    for number in range(400):
        run(fleet, f"j{number}")
        assert redis_client.strlen("athena:tally:echo") < 2200

    assert redis_client.hget(keys.counts_key("echo"), "end succeeded cpu") is not None
    assert ends(fleet) == {("succeeded", "cpu"): 400}
    assert not redis_client.exists("athena:tally:echo")


def test_measured_rate_is_of_jobs_that_ran(fleet: Store) -> None:
    run(fleet, "j1")
    run(fleet, "j2", failed())
    fleet.submit("j3")
    run_steps(cancel_jobs(["j3"], "enough"), fleet.run)

    assert fleet.run(fold_command(["echo", "other"])) == [2, 0]
    assert fleet.run(fold_command(["echo"])) == [2]


def test_runs_that_end_no_job_are_told_by_their_result(fleet: Store) -> None:
    fleet.submit("j1")
    (job,) = fleet.take()
    fleet.finish(
        "j1", job.token, Outcome(JobState.FAILED, code=1, message="away", exec_ms=1, retry_after_s=0)
    )
    for message in fleet.raw("ZRANGE", keys.later_key("echo"), 0, -1):
        fleet.raw("ZADD", keys.later_key("echo"), 1, message)
    fleet.run(sweep_command("echo", [ANY_QUEUE], 60, 60, False))
    (job,) = fleet.take()
    assert fleet.acquit(job) == 1
    (job,) = fleet.take()
    fleet.fence("j1", service_id="echo", gpu_type="cpu", cause="crashed")
    fleet.register("w2")
    (job,) = fleet.take(incarnation="w2")
    fleet.finish("j1", job.token, succeeded(), incarnation="w2")

    found = counts(fleet)
    assert found.of("try") == {("retried", "cpu"): 1, ("broken", "cpu"): 1, ("died", "cpu"): 1}
    assert found.spread("run")["cpu"].count == 2
    assert found.of("end") == {("succeeded", "cpu"): 1}
    assert survey(fleet).submitted() == {"normal": 1}


def test_death_of_a_worker_is_counted_once(fleet: Store) -> None:
    death = {"service_id": "echo", "gpu_type": "cpu"}
    fleet.fence(cause="silent", **death)
    fleet.fence(cause="crashed", **death)
    fleet.fence(incarnation="w9", cause="start_failed", **death)
    fleet.fence(incarnation="w8")

    assert counts(fleet).of("exit") == {("silent", "cpu"): 1, ("start_failed", "cpu"): 1}


@pytest.mark.parametrize(
    ("charge", "outcome"), [({"max_attempts": 1}, "poisoned"), ({"overran": True}, "timed_out")]
)
def test_job_that_its_worker_takes_with_it_ends_on_the_type_of_that_worker(
    fleet: Store, charge: dict[str, Any], outcome: str
) -> None:
    fleet.submit("j1")
    fleet.take()
    fleet.fence("j1", service_id="echo", gpu_type="cpu", cause="crashed", **charge)

    assert ends(fleet) == {(outcome, "cpu"): 1}


def test_moved_and_expired_jobs_are_counted(fleet: Store, redis_client: redis.Redis) -> None:
    fleet.submit("j1", queue="echo.T4G16")
    fleet.submit("j2")
    redis_client.hset(keys.job_key("j2"), "expires_ms", 1)
    redis_client.zadd(keys.open_key("echo"), {"j2": 1})
    moves = Rerouting(frozenset({"cpu"}), "cpu")
    fleet.run(sweep_command("echo", [ANY_QUEUE, CPU_QUEUE], 60, 60, False, moves))

    found = counts(fleet)
    assert found.of("moved") == {("normal",): 1}
    assert survey(fleet).submitted() == {"normal": 2}
    assert found.of("end") == {("expired", ""): 1}


def test_age_of_a_queue_is_that_of_its_next_job(fleet: Store, redis_client: redis.Redis) -> None:
    fleet.submit("j1")
    fleet.submit("j2")
    redis_client.hincrby(keys.job_key("j1"), "queued_ms", -60_000)
    fleet.raw("HSET", keys.line_key(ANY_QUEUE), "paused", 1)

    (queue,) = survey(fleet).queues
    assert (queue.name, queue.jobs, queue.is_paused) == (ANY_QUEUE, 2, True)
    assert 60 <= queue.oldest_s < 90


def test_keys_of_a_wrong_kind_keep_no_job_from_its_end(fleet: Store, redis_client: redis.Redis) -> None:
    redis_client.rpush("athena:tally:echo", "nonsense")
    redis_client.set("athena:counts:echo", "nonsense")
    run(fleet, "j1")

    assert fleet.state("j1") is JobState.SUCCEEDED
    assert run_steps(survey_abilities(["echo"]), fleet.run) == []
    redis_client.delete("athena:tally:echo", "athena:counts:echo")


def test_nothing_is_written_where_nothing_ended(fleet: Store, redis_client: redis.Redis) -> None:
    run(fleet, "j1")
    survey(fleet)
    before = redis_client.info("persistence")["rdb_changes_since_last_save"]
    survey(fleet)
    fleet.run(fold_command(["echo"]))

    assert redis_client.info("persistence")["rdb_changes_since_last_save"] == before


def test_ends_are_counted_later_where_redis_takes_no_writes(fleet: Store, redis_client: redis.Redis) -> None:
    run(fleet, "j1")
    redis_client.config_set("min-replicas-to-write", 1)
    try:
        with pytest.raises(redis.RedisError, match="NOREPLICAS"):
            fleet.run(fold_command(["echo"]))
    finally:
        redis_client.config_set("min-replicas-to-write", 0)

    assert ends(fleet) == {("succeeded", "cpu"): 1}
