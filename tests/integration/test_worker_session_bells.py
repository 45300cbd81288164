"""A worker's wait for bells, and the jobs that Redis takes for it when one rings, on a real Redis."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery.exceptions import WorkerShutdown

from athena.store.keys import WORKERS, bell_key
from tests.conftest import wait_until
from workers.lease import tally
from workers.lease.arrivals import EX_FENCED

from .conftest import ANY_QUEUE, Store, submission
from .test_worker_session import SLOTS, Worker, ended, started, submit

pytestmark = pytest.mark.redis


class Wait:
    """The connection on which a worker waits, as its transport uses it."""

    def __init__(self, client: redis.Redis, worker: Worker) -> None:
        self._client = client
        self._worker = worker
        self._connection: Any = client.connection_pool.make_connection()

    def begin(self) -> None:
        """Sends what the session wants, and returns when Redis knows of it."""
        bells, take = self._worker.session.begin_to_wait()
        assert take is not None
        self._connection.connect()
        commands = [("BRPOP", *bells, 5), take]
        self._connection.send_packed_command(self._connection.pack_commands(commands))
        wait_until(lambda: self._client.info("clients")["blocked_clients"] == 1, "the worker waits")

    def end(self) -> None:
        """Reads the bell and what it brings along, and hands both to the session."""
        bell = self._connection.read_response(disable_decoding=True)
        try:
            taken = self._connection.read_response(disable_decoding=True)
        except redis.ResponseError as error:
            taken = error
        worker = self._worker
        worker.session.on_bell(worker.now_s, bell and bell[0].decode(), taken, worker.deliver)

    def close(self) -> None:
        """Breaks the connection, and returns when Redis knows of it."""
        self._connection.disconnect()
        wait_until(lambda: self._client.info("clients")["blocked_clients"] == 0, "nobody waits")


@pytest.fixture
def worker(store: Store, redis_server: str) -> Iterator[Worker]:
    """A worker that the store knows as w1, and that has found its queues empty."""
    with started(redis_server) as worker:
        worker.turn()
        yield worker


@pytest.fixture
def wait(redis_client: redis.Redis, worker: Worker) -> Iterator[Wait]:
    wait = Wait(redis_client, worker)
    yield wait
    wait.close()


def script_runs(client: redis.Redis) -> int:
    """Returns how many scripts were run since `config_resetstat`."""
    return int(client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"])


def test_job_comes_with_its_bell(
    worker: Worker,
    wait: Wait,
    store: Store,
    redis_client: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What is counted is told once a second.
    monkeypatch.setattr(tally, "TELL_S", 3600.0)
    wait.begin()
    submit(store, "first")
    wait.end()
    worker.turn_until(lambda: ended(store, "first"))
    wait.begin()
    submit(store, "a")
    redis_client.config_resetstat()

    wait.end()
    worker.turn_until(lambda: ended(store, "a"))

    # The take came before; what is left is the finish.
    assert script_runs(redis_client) == 1
    assert not worker.session.demand.may_find_jobs


def test_more_jobs_than_there_are_slots_are_left(worker: Worker, wait: Wait, store: Store) -> None:
    worker.gate.clear()
    wait.begin()
    store.submit_all(*(submission(name) for name in "abcdef"))

    wait.end()
    with_bell = len(store.queued())
    worker.gate.set()
    worker.turn_until(lambda: ended(store, *"abcdef"))

    assert with_bell == 6 - SLOTS
    assert [job.job_id for job in worker.ran] == list("abcdef")


def test_comparison_waits_for_what_is_on_its_way(worker: Worker, wait: Wait, store: Store) -> None:
    wait.begin()
    submit(store, "a")
    # So long after the last comparison that one is due.
    worker.turn(60)
    held = store.raw("HKEYS", "athena:inflight:w1")

    wait.end()
    worker.turn_until(lambda: ended(store, "a"))

    assert held == [b"a"]
    assert [job.job_id for job in worker.ran] == ["a"]
    assert store.record("a").attempts == 1


def test_script_that_redis_forgot_costs_no_job(
    worker: Worker, wait: Wait, store: Store, redis_client: redis.Redis
) -> None:
    wait.begin()
    redis_client.script_flush()
    # Loads the script that it needs itself, and no other.
    submit(store, "a")

    wait.end()
    assert store.queued() == ["a"]
    worker.turn_until(lambda: ended(store, "a"))


def test_fenced_worker_hears_of_it_with_the_bell(worker: Worker, wait: Wait, store: Store) -> None:
    wait.begin()
    store.fence()
    submit(store, "a")

    with pytest.raises(WorkerShutdown) as shutdown:
        wait.end()

    assert shutdown.value.code == EX_FENCED
    assert store.queued() == ["a"]


def test_bell_that_rings_while_a_call_runs_on_brings_jobs_that_go_back(
    worker: Worker, wait: Wait, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.gate.clear()
    submit(store, "a")
    worker.session.demand.may_find_jobs = True
    worker.turn()
    wait_until(lambda: worker.ran, "the first job runs")
    wait.begin()
    submit(store, "b")
    monkeypatch.setattr(worker.batcher, "until_refill_s", lambda now_s: 0.75)

    wait.end()
    worker.turn()
    waiting, rung = store.queued(), store.raw("LLEN", bell_key(ANY_QUEUE))
    monkeypatch.undo()
    worker.gate.set()
    worker.turn_until(lambda: ended(store, "a", "b"))

    assert (waiting, rung) == (["b"], 1)
    assert store.record("b").attempts == 1


def test_worker_that_stops_returns_what_a_bell_brought_meanwhile(
    worker: Worker, wait: Wait, store: Store
) -> None:
    wait.begin()
    submit(store, "a")

    worker.session.drain(1)

    assert store.queued() == ["a"]
    assert store.raw("HLEN", "athena:inflight:w1") == 0


def test_own_bell_of_a_worker_that_stops_brings_nothing_that_stays(
    worker: Worker, wait: Wait, store: Store
) -> None:
    submit(store, "a")
    store.raw("DEL", bell_key(ANY_QUEUE))
    wait.begin()

    worker.session.drain(1)

    assert store.queued() == ["a"]
    assert store.raw("HLEN", "athena:inflight:w1") == 0


@pytest.mark.parametrize("is_lost", [False, True])
def test_what_a_broken_worker_gives_back_does_not_come_to_it_again(
    worker: Worker, wait: Wait, store: Store, is_lost: bool
) -> None:
    submit_suspects(store, "a", "b", "c")
    worker.gate.clear()
    worker.session.demand.may_find_jobs = True
    worker.turn()
    wait_until(lambda: worker.ran, "a process that answers its example runs the first of them")
    wait.begin()
    if is_lost:
        # For Celery; Redis does not know yet, and lets the wait hear the bell of what goes back.
        worker.session.on_connection_lost()
    worker.wrong = "no licence"
    worker.gate.set()
    with pytest.raises(WorkerShutdown):
        worker.turn_until(lambda: False)

    worker.session.drain(10)

    assert store.queued() == ["b", "c"]
    assert store.raw("HKEYS", "athena:inflight:w1") == [b"a"]
    store.fence("a", incarnation="w1", reason="no licence", is_broken=True)
    records = [store.record(job_id) for job_id in ("a", "b", "c")]
    assert [(record.attempts, record.deaths) for record in records] == [(1, 1), (0, 0), (0, 0)]


def submit_suspects(store: Store, *job_ids: str) -> None:
    """Submits jobs that have failed in a process which was broken."""
    submit(store, *job_ids)
    store.register("w0")
    store.acquit(*store.take(len(job_ids), "w0"), incarnation="w0")
    store.raw("HDEL", WORKERS, "w0")


def test_full_worker_waits_for_urgent_bells_and_has_nothing_taken(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, *"abcd")
    worker.session.demand.may_find_jobs = True
    worker.turn()

    bells, take = worker.session.begin_to_wait()
    worker.gate.set()

    assert take is None
    assert set(bells) == {*map(bell_key, worker.session.demand.urgent_queues), worker.session.own_bell}


def lose_a_take(store: Store, job_id: str) -> None:
    """Lets Redis give the worker a job that it never hears of."""
    submit(store, job_id)
    store.raw("DEL", bell_key(ANY_QUEUE))
    assert [job.job_id for job in store.take()] == [job_id]


def test_comparison_that_waited_is_made_up_for(
    worker: Worker, wait: Wait, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_a_take(store, "lost")
    wait.begin()
    with monkeypatch.context() as broken:
        broken.setattr(worker.link, "run", fail)
        worker.session.demand.may_find_jobs = True
        with pytest.raises(redis.ConnectionError):
            worker.turn(0.1)
    # Something else is told meanwhile.
    worker.turn(0.1)
    kept = store.queued()

    store.raw("LPUSH", bell_key(ANY_QUEUE), 1)
    wait.end()
    worker.turn(0.1)

    assert kept == []
    assert store.queued() == ["lost"]


def fail(commands: list[Any]) -> list[Any]:
    raise redis.ConnectionError("gone")


def test_comparison_does_not_wait_for_a_connection_that_is_gone(
    worker: Worker, wait: Wait, store: Store
) -> None:
    lose_a_take(store, "lost")
    wait.begin()
    wait.close()

    worker.session.on_connection_lost()

    worker.turn_until(lambda: ended(store, "lost"))
