"""Failures that are tried again: `[retry]` of ability.toml, as Redis carries it out."""

import pytest

from athena.fleet.view import FleetView
from athena.jobs.record import Outcome
from athena.operations.audit import look
from athena.operations.jobs import cancel_jobs
from athena.operations.queues import purge_queues
from athena.operations.steps import run_steps
from athena.operations.surveys import survey_abilities
from athena.protocol.enums import JobState
from athena.protocol.interface import Interface, Limits
from athena.store.fencing import sweep_command
from athena.store.keys import ABILITIES, inflight_key, job_key, later_key

from .conftest import ANY_QUEUE, CPU_QUEUE, Ear, Store, succeeded

pytestmark = pytest.mark.redis

ECHO = Interface("echo", "v1", "", (), (), (), ("cpu",), True, Limits())


def away(delay_s: float) -> Outcome:
    return Outcome(JobState.FAILED, code=10909, message="it is away", exec_ms=3, retry_after_s=delay_s)


def sweep(store: Store) -> None:
    store.run(sweep_command("echo", [ANY_QUEUE, CPU_QUEUE], 86400, 60, False))


def sweep_later(store: Store) -> None:
    """Sweeps when all that was put off is due."""
    for message in store.raw("ZRANGE", later_key("echo"), 0, -1):
        store.raw("ZADD", later_key("echo"), 1, message)
    sweep(store)


def submit(store: Store, **changes: object) -> None:
    store.raw("HSET", ABILITIES, "echo", ECHO.encode())
    assert store.submit("j1", **changes) == [b"accepted"]


def fail(store: Store, delay_s: float) -> None:
    (job,) = store.take()
    assert store.finish(job.job_id, job.token, away(delay_s)) == 1
    assert not store.exists(inflight_key("w1"))


def test_failure_that_is_told_twice_stands_where_it_ended_the_job(store: Store) -> None:
    submit(store)
    (job,) = store.take()
    store.raw("HSET", job_key("j1"), "expires_ms", 1)

    # The reply to the first was lost, say, and there was no time left to try again.
    assert store.finish(job.job_id, job.token, away(30)) == 1
    assert store.finish(job.job_id, job.token, away(30)) == 1
    assert store.record("j1").state is JobState.FAILED


def test_job_waits_runs_again_before_others_and_is_told_once(store: Store, ear: Ear) -> None:
    submit(store, gateway="g1")
    fail(store, 30)
    store.submit("j2")

    record = store.record("j1")
    assert (record.state, record.attempts, record.last_failure) == (JobState.QUEUED, 1, "it is away")
    assert record.describe()["retry_at_ms"] == record.retry_ms > 0
    assert FleetView(0, 0).why_queued(0, record) == "waiting_to_retry: attempt 1 failed: it is away"
    assert ear.is_silent()
    sweep(store)
    assert store.put_off() == ["j1"]
    assert store.queued() == ["j2"]

    sweep_later(store)
    assert store.put_off() == []
    assert store.record("j1").retry_ms == 0
    first, second = store.take()
    assert (first.job_id, first.attempt) == ("j1", 2)
    assert store.finish_all(*((job.job_id, job.token, succeeded()) for job in (first, second))) == [1, 1]
    record = store.record("j1")
    assert (record.state, record.attempts) == (JobState.SUCCEEDED, 2)
    _, replies = ear.next()
    assert [(reply.job_id, reply.state) for reply in replies] == [("j1", JobState.SUCCEEDED)]
    (survey,) = run_steps(survey_abilities(["echo"]), store.run)
    assert survey.retries == 1


def test_its_time_to_start_is_kept(store: Store) -> None:
    submit(store, max_queue_s=20)
    fail(store, 30)

    record = store.record("j1")
    assert (record.state, record.code, record.message) == (JobState.FAILED, 10909, "it is away")
    assert store.put_off() == []


def test_told_twice_it_is_put_off_once(store: Store) -> None:
    submit(store)
    (job,) = store.take()

    assert [store.finish("j1", job.token, away(30)) for _ in range(2)] == [1, 0]
    assert store.put_off() == ["j1"]


def test_worker_that_was_shut_out_puts_nothing_off(store: Store) -> None:
    submit(store)
    (job,) = store.take()
    store.fence("j1")

    assert store.finish("j1", job.token, away(30)) == 0
    assert store.put_off() == []
    assert store.queued() == ["j1"]


def test_death_counts_as_a_run_and_a_poison_is_not_tried_again(store: Store) -> None:
    submit(store)
    fail(store, 0)
    sweep_later(store)
    (job,) = store.take()
    assert job.attempt == 2
    store.fence("j1", max_attempts=1)

    assert store.state("j1") is JobState.POISONED
    assert store.put_off() == []


def test_canceled_one_is_dropped_when_its_time_comes(store: Store) -> None:
    submit(store)
    fail(store, 30)
    run_steps(cancel_jobs(["j1"]), store.run)

    sweep_later(store)

    assert store.put_off() == store.queued() == []
    assert store.state("j1") is JobState.CANCELED


def test_purge_finds_it(store: Store) -> None:
    submit(store)
    fail(store, 30)

    assert run_steps(purge_queues(["echo"]), store.run) == 1
    assert store.state("j1") is JobState.CANCELED
    assert store.put_off() == []


def test_audit_knows_where_it_is(store: Store) -> None:
    submit(store)
    fail(store, 30)

    assert run_steps(look(), store.run).differences == []

    store.raw("DEL", later_key("echo"))
    found = run_steps(look(), store.run).differences
    assert [(item.job_id, item.what) for item in found] == [("j1", "lost")]


def test_overdue_one_expires_though_nobody_has_swept(store: Store) -> None:
    submit(store)
    fail(store, 30)
    store.raw("HSET", job_key("j1"), "expires_ms", 1)

    assert store.record("j1").state is JobState.EXPIRED
    sweep_later(store)
    assert store.put_off() == store.queued() == []
    # As of one that has expired in its queue, its message is kept from then on.
    assert store.field("j1", "unkept") is None
