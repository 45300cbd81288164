"""An inference thread that has exchanges and waits for bells itself, on a real Redis."""

import threading
from collections.abc import Iterator

import pytest
import redis
from celery.exceptions import WorkerShutdown

from athena.store.link import BlockingLink
from athena.store.scripts import SCRIPTS
from tests.conftest import wait_until
from workers.batching import call_clock
from workers.lease import lead
from workers.lease.arrivals import EX_FENCED
from workers.lease.recycling import Wear

from .conftest import Store
from .test_worker_session import SLOTS, Worker, ended, started, submit

pytestmark = pytest.mark.redis


class Leading:
    """A worker whose calls are short, so that its thread leads."""

    def __init__(self, worker: Worker, store: Store, client: redis.Redis, ear: BlockingLink) -> None:
        self.worker, self.store, self.client, self.ear = worker, store, client, ear

    def begin(self) -> None:
        """Runs a first job as the loop does; after it, the thread waits for bells."""
        submit(self.store, "first")
        self.worker.turn()
        wait_until(lambda: ended(self.store, "first"), "the thread tells of the first job")
        self.wait_for_wait()

    def waits(self) -> bool:
        """Whether the thread waits for bells."""
        return int(self.client.info("clients")["blocked_clients"]) == 1

    def wait_for_wait(self) -> None:
        wait_until(self.waits, "the thread waits for bells")

    def run(self, *job_ids: str) -> None:
        """Submits jobs, and waits for their ends without a turn of the loop."""
        submit(self.store, *job_ids)
        wait_until(lambda: ended(self.store, *job_ids), f"the thread runs {job_ids}")


@pytest.fixture
def leading(
    store: Store, redis_server: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Leading]:
    """A worker whose thread waits for bells, and does so for as long as a test may take."""
    monkeypatch.setattr(lead, "WAIT_S", 60.0)
    # However slow the machine is.
    monkeypatch.setattr(call_clock, "SHORT_S", 1000.0)
    with started(redis_server) as worker:
        ear = BlockingLink(redis_server, 120, SCRIPTS)
        worker.session.let_lead(ear, worker.deliver)
        leading = Leading(worker, store, redis_client, ear)
        leading.begin()
        yield leading
        worker.session.drain(10)
        ear.close()


def test_thread_runs_jobs_without_a_turn_of_the_loop(leading: Leading) -> None:
    leading.run("a")
    leading.run("b", "c")
    leading.wait_for_wait()

    told = [(job_id, "succeeded") for job_id in ("first", "a", "b", "c")]
    wait_until(lambda: leading.worker.told == told, "Celery's tools know of all of them")
    assert not leading.store.exists("athena:inflight:w1")
    assert not leading.worker.session.may_wait_for_bells(leading.worker.now_s)
    assert leading.worker.session.free_slots == SLOTS


def test_job_costs_three_scripts_and_one_wait(leading: Leading) -> None:
    leading.client.config_resetstat()

    leading.run("a")
    leading.wait_for_wait()

    commands = leading.client.info("commandstats")
    # One submits it, one takes it behind the bell, one tells how it ended.
    assert commands["cmdstat_evalsha"]["calls"] == 3
    assert commands["cmdstat_brpop"]["calls"] == 1


def test_more_jobs_than_slots_are_all_run(leading: Leading) -> None:
    leading.run(*(f"j{number}" for number in range(5 * SLOTS)))

    leading.wait_for_wait()
    assert not leading.store.exists("athena:inflight:w1")


def test_job_of_the_loop_ends_the_wait_of_the_thread(leading: Leading) -> None:
    # As after a new connection, or where a bell was lost.
    leading.worker.session.demand.may_find_jobs = True
    submit(leading.store, "a")
    leading.client.delete("athena:bell:echo.any")

    leading.worker.turn()

    wait_until(lambda: ended(leading.store, "a"), "the job has run")


def test_loop_waits_again_after_a_wait_without_a_bell(
    leading: Leading, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead, "WAIT_S", 0.05)

    leading.run("a")

    session = leading.worker.session
    wait_until(lambda: session.may_wait_for_bells(leading.worker.now_s), "the loop may wait")
    assert not leading.waits()


def test_loop_waits_while_a_call_goes_on_for_long(leading: Leading) -> None:
    leading.worker.gate.clear()
    submit(leading.store, "a")
    wait_until(lambda: len(leading.worker.ran) == 2, "the call has begun")

    def loop_may_wait() -> bool:
        return leading.worker.session.may_wait_for_bells(leading.worker.now_s + 10)

    assert loop_may_wait()
    leading.worker.gate.set()
    leading.worker.turn_until(lambda: ended(leading.store, "a"))


def test_loop_has_turns_while_it_is_kept_away(leading: Leading) -> None:
    leading.worker.wakes.clear()

    for _ in range(3):
        assert not leading.worker.session.may_wait_for_bells(leading.worker.now_s)

    assert leading.worker.wakes == [lead.LOOK_S]


def test_lost_connection_of_the_thread_loses_no_job(leading: Leading) -> None:
    leading.store.raw("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    submit(leading.store, "a")

    # The loop's connection is lost, too.
    leading.worker.session.on_connection_lost()
    leading.worker.turn_until(lambda: ended(leading.store, "a"))

    assert not leading.store.exists("athena:inflight:w1")


def test_forgotten_scripts_lose_no_job(leading: Leading) -> None:
    leading.worker.gate.clear()
    submit(leading.store, "a")
    wait_until(lambda: len(leading.worker.ran) == 2, "the call has begun")
    leading.store.raw("SCRIPT", "FLUSH")
    leading.worker.gate.set()

    leading.worker.turn_until(lambda: ended(leading.store, "a"))

    assert not leading.store.exists("athena:inflight:w1")


def test_jobs_whose_take_was_unknown_to_redis_are_taken(leading: Leading) -> None:
    leading.store.raw("SCRIPT", "FLUSH")
    submit(leading.store, "a")

    leading.worker.turn_until(lambda: ended(leading.store, "a"))


def test_fenced_worker_ends_its_loop(leading: Leading) -> None:
    leading.store.fence()
    submit(leading.store, "a")

    with pytest.raises(WorkerShutdown) as caught:
        leading.worker.turn_until(lambda: False)

    assert caught.value.code == EX_FENCED
    assert leading.store.queued() == ["a"]


def test_worn_worker_ends_its_loop(
    store: Store, redis_server: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_clock, "SHORT_S", 1000.0)
    with started(redis_server, Wear(max_jobs=2, max_memory_mb=0)) as worker:
        ear = BlockingLink(redis_server, 10, SCRIPTS)
        worker.session.let_lead(ear, worker.deliver)
        leading = Leading(worker, store, redis_client, ear)
        leading.begin()
        submit(store, "a")

        with pytest.raises(WorkerShutdown):
            worker.turn_until(lambda: False)
        worker.session.drain(10)
        submit(store, "b")

        assert ended(store, "a")
        assert (store.queued(), store.exists("athena:inflight:w1")) == (["b"], False)
        ear.close()


def test_session_that_ends_takes_no_job_with_it(leading: Leading) -> None:
    session, store = leading.worker.session, leading.store
    submits = threading.Event()

    def submit_some() -> None:
        # Jobs come before, while and after the session ends.
        with redis.Redis.from_pool(leading.client.connection_pool):
            for number in range(90):
                store.submit(f"j{number}")
                if number == 20:
                    submits.set()

    thread = threading.Thread(target=submit_some)
    thread.start()
    assert submits.wait(60)
    session.drain(10)
    thread.join()

    left = [f"j{number}" for number in range(90) if not ended(store, f"j{number}")]
    assert sorted(store.queued()) == sorted(left)
    assert left
    assert not store.exists("athena:inflight:w1")
    assert not leading.waits()


def test_worker_that_is_full_leaves_the_wait_to_the_loop(leading: Leading) -> None:
    # Tasks of other clients, which Celery has not let through yet.
    leading.worker.session._deliver_led = lambda job: None
    submit(leading.store, *"abcd")

    wait_until(lambda: leading.worker.session.free_slots == 0, "all slots are taken")

    assert not leading.waits()
    leading.worker.session._deliver_led = leading.worker.deliver
