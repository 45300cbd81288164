"""What a worker's session does about jobs that are canceled, lost or overdue, and about its own wear."""

import socket
import threading
from collections.abc import Iterator

import pytest
from celery.exceptions import WorkerShutdown

from athena.fleet.launch import EX_BROKEN, EX_RECYCLED
from athena.fleet.progress_board import Pulse
from athena.operations.jobs import cancel_jobs
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from tests.conftest import wait_until
from workers.lease.recycling import Wear

from .conftest import ANY_QUEUE, Store
from .test_worker_session import Worker, ended, started, submit

pytestmark = pytest.mark.redis


@pytest.fixture
def worker(store: Store, redis_server: str) -> Iterator[Worker]:
    """A worker that the store knows as w1."""
    with started(redis_server) as worker:
        yield worker


def run_first(worker: Worker, store: Store, *job_ids: str) -> None:
    """Lets a worker take jobs and run the first of them, until the gate opens."""
    worker.gate.clear()
    submit(store, *job_ids)
    worker.turn()
    wait_until(worker.board.calls, "the first job runs")


def cancel(store: Store, *job_ids: str) -> None:
    run_steps(cancel_jobs(job_ids), store.run)


def test_wrapper_hears_that_its_job_was_canceled(worker: Worker, store: Store) -> None:
    run_first(worker, store, "a")

    cancel(store, "a")
    worker.turn_until(lambda: worker.ran[0].is_canceled)
    worker.gate.set()
    worker.turn_until(lambda: worker.session.free_slots == 4)

    assert store.state("a") is JobState.CANCELED


def test_canceled_job_that_waits_is_not_started(worker: Worker, store: Store) -> None:
    run_first(worker, store, "a", "b", "c")

    cancel(store, "b")
    worker.turn()
    worker.gate.set()
    worker.turn_until(lambda: ended(store, "a", "c"))

    assert [job.job_id for job in worker.ran] == ["a", "c"]


def test_progress_is_told(worker: Worker, store: Store) -> None:
    run_first(worker, store, "a")

    worker.ran[0].progress = 0.5
    worker.turn()

    assert store.record("a").progress == 0.5


def test_job_that_redis_gave_to_the_queue_again_is_not_started_here(worker: Worker, store: Store) -> None:
    run_first(worker, store, "a", "b")
    message = store.raw("HGET", "athena:inflight:w1", "b")
    # As after a Redis that lost its last second.
    store.raw("HDEL", "athena:inflight:w1", "b")
    store.raw("HSET", "athena:job:b", "token", "")
    store.raw("RPUSH", "elsewhere", message)

    worker.turn(after_s=11)
    worker.gate.set()
    worker.turn_until(lambda: ended(store, "a"))
    worker.turn()

    assert [job.job_id for job in worker.ran] == ["a"]
    assert store.state("b") is JobState.QUEUED


def test_reconcile_comes_by_itself(worker: Worker, store: Store) -> None:
    store.submit("lost")
    store.take(1)

    worker.turn(after_s=11)
    worker.turn_until(lambda: ended(store, "lost"))

    assert store.record("lost").attempts == 1


def test_job_that_comes_too_late_to_its_turn_expires(worker: Worker, store: Store) -> None:
    run_first(worker, store, "a")
    store.submit("b", max_queue_s=0.2)
    worker.session.demand.may_find_jobs = True
    worker.turn(after_s=-500)
    worker.gate.set()

    worker.turn_until(lambda: ended(store, "b"))

    assert store.state("b") is JobState.EXPIRED
    assert [job.job_id for job in worker.ran] == ["a"]


def test_signs_of_life_are_on_the_board(worker: Worker, store: Store) -> None:
    began_s = worker.now_s
    worker.turn()
    worker.turn()

    assert worker.board.read_pulse() == Pulse(turned_s=began_s + 2, contact_s=began_s + 1)


def begin_to_drain(worker: Worker, store: Store) -> threading.Thread:
    """Lets a worker end on a thread of its own; returns when it waits for the call that goes on."""
    own_bell = worker.session.own_bell
    run_first(worker, store, "a")
    thread = threading.Thread(target=worker.session.drain, args=(10,))
    thread.start()
    wait_until(lambda: store.exists(own_bell), "it waits for its last call")
    return thread


def test_last_result_is_told_again_over_a_new_connection(worker: Worker, store: Store) -> None:
    thread = begin_to_drain(worker, store)

    # The connection is dead when the result is there, and nobody knows before it is used.
    worker.link._connection._sock.shutdown(socket.SHUT_RDWR)
    worker.gate.set()
    thread.join(60)

    assert store.state("a") is JobState.SUCCEEDED
    assert not thread.is_alive()


def test_last_result_is_told_again_when_redis_refuses_it(worker: Worker, store: Store) -> None:
    thread = begin_to_drain(worker, store)
    store.raw("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        worker.gate.set()
        wait_until(lambda: worker.session._outbox.ended, "the result was refused")
        state = store.state("a")
    finally:
        store.raw("CONFIG", "SET", "min-replicas-to-write", "0")
    thread.join(60)

    assert (state, store.state("a")) == (JobState.QUEUED, JobState.SUCCEEDED)
    assert not thread.is_alive()


def test_worker_that_cannot_tell_its_last_result_gives_up_with_its_grace(
    worker: Worker, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    run_first(worker, store, "a")
    store.raw("CONFIG", "SET", "min-replicas-to-write", "1")
    try:
        worker.gate.set()
        worker.session.drain(0.5)
    finally:
        store.raw("CONFIG", "SET", "min-replicas-to-write", "0")

    assert "cannot tell Redis what became of 1 jobs" in caplog.text


WORN = [(Wear(2, 0), "jobs (worker.max_jobs)"), (Wear(0, 1, lambda: 5.0), "5 MB")]


@pytest.mark.parametrize(("wear", "text"), WORN)
def test_worn_worker_asks_to_be_replaced(
    store: Store, redis_server: str, caplog: pytest.LogCaptureFixture, wear: Wear, text: str
) -> None:
    submit(store, *"abcd")

    with started(redis_server, wear) as worker:
        with pytest.raises(WorkerShutdown) as shutdown:
            worker.turn_until(lambda: False)
        worker.session.drain(10)

    assert shutdown.value.code == EX_RECYCLED
    assert text in caplog.text
    assert set(store.queued(ANY_QUEUE)) | {name for name in "abcd" if ended(store, name)} == set("abcd")


def register_second(store: Store) -> str:
    """Returns another worker, which Redis knows."""
    store.register("w2")
    return "w2"


def test_broken_worker_returns_what_it_failed_and_takes_nothing_more(worker: Worker, store: Store) -> None:
    run_first(worker, store, *"abcde")
    store.submit("later")
    worker.wrong = "no licence"
    worker.gate.set()

    with pytest.raises(WorkerShutdown) as shutdown:
        worker.turn_until(lambda: False)
    worker.session.drain(10)

    assert shutdown.value.code == EX_BROKEN
    assert [job.job_id for job in worker.ran] == ["a", "b", "c"]
    assert sorted(store.queued(ANY_QUEUE)) == ["a", "b", "c", "d", "e", "later"]
    records = {name: store.record(name) for name in "abcd"}
    assert {(record.attempts, record.deaths) for record in records.values()} == {(0, 0)}
    assert [record.last_failure for record in records.values()] == [*["no licence"] * 3, ""]
    assert {what for _, what in worker.told} <= {"started"}
    # Only those that failed here are looked into.
    taken = {job.job_id: (job.runs_alone, job.is_suspect) for job in store.take(6, register_second(store))}
    assert taken == {
        **dict.fromkeys("abc", (True, True)),
        **dict.fromkeys(["d", "e", "later"], (False, False)),
    }


def test_job_that_was_announced_and_acquitted_was_not_attempted(worker: Worker, store: Store) -> None:
    run_first(worker, store, "a")
    worker.turn()
    announced = store.record("a").attempts
    worker.wrong = "no licence"
    worker.gate.set()

    with pytest.raises(WorkerShutdown):
        worker.turn_until(lambda: False)
    worker.session.drain(10)

    assert (announced, store.record("a").attempts, store.state("a")) == (1, 0, JobState.QUEUED)


def test_job_that_broke_its_worker_is_left_to_the_supervisor(worker: Worker, store: Store) -> None:
    store.submit("a")
    store.register("w0")
    (job,) = store.take(1, "w0")
    store.acquit(job, incarnation="w0")
    worker.gate.clear()
    worker.turn()
    wait_until(lambda: worker.ran, "it runs")
    worker.wrong = "no licence"
    worker.gate.set()

    with pytest.raises(WorkerShutdown):
        worker.turn_until(lambda: False)
    worker.session.drain(10)

    breakage = worker.batcher.breakage
    assert breakage is not None and breakage.blamed == ("a",)
    assert store.raw("HKEYS", "athena:inflight:w1") == [b"a"]
    store.fence("a", incarnation="w1", reason=breakage.reason, is_broken=True)
    record = store.record("a")
    assert (record.state, record.attempts, record.deaths) == (JobState.QUEUED, 1, 1)
    (again,) = store.take(1, register_second(store))
    assert again.is_suspect


def test_job_that_broke_too_many_workers_is_a_dead_letter(store: Store) -> None:
    for deaths in range(3):
        if not deaths:
            store.submit("a")
        (job,) = store.take(1, "w1")
        assert job.is_suspect is (deaths > 0)
        store.fence("a", incarnation="w1", reason="no licence", is_broken=True)
        store.register("w1")

    record = store.record("a")
    assert record.state is JobState.POISONED
    assert record.message == "its worker broke 3 times under it; the last time: no licence"
