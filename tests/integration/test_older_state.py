"""Redis goes back to an older state, and a worker stays with what it holds: no job ends wrongly.

The session and its batcher are real; the test decides when a call ends.
"""

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.exceptions import RedisError

from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.store.keys import inflight_key, open_key
from athena.store.scripts import Command
from tests.conftest import wait_until
from workers.batching.jobs import BatchJob
from workers.lease.recycling import Wear

from .conftest import ANY_QUEUE, Memory, Store
from .test_worker_session import SLOTS, Worker, cut

pytestmark = pytest.mark.redis

#: So much later the session compares what it holds with what Redis counts.
RECONCILED_S = 11.0


class SteppedWorker(Worker):
    """A worker each of whose calls ends when the test says so."""

    def __init__(self, redis_url: str) -> None:
        super().__init__(redis_url, Wear(max_jobs=0, max_memory_mb=0))
        self._ends = threading.Semaphore(0)
        self._is_over = False

    def _run(self, batch: list[BatchJob]) -> list[Outcome]:
        self.ran += batch
        while not self._is_over and not self._ends.acquire(timeout=0.05):
            pass
        return [Outcome(JobState.SUCCEEDED, b'{"text":1}', exec_ms=1)]

    def end_call(self) -> None:
        """Lets the call that goes on end, or the next one."""
        self._ends.release()

    def end_all(self) -> None:
        """Lets all calls end at once from now on."""
        self._is_over = True

    def turn(self, after_s: float = 1) -> None:
        """One turn of Celery's loop, and what Celery does when the connection breaks in it."""
        try:
            super().turn(after_s)
        except RedisError:
            self.session.on_connection_lost()

    @property
    def is_settled(self) -> bool:
        """Whether a call goes on, or none could."""
        return any(job.outcome is None for job in self.ran) or not self.batcher._waiting

    def close(self) -> None:
        """Ends it with all its calls."""
        self.end_all()
        super().close()


class OlderStateMachine(RuleBasedStateMachine):
    """Sends events to one worker and to its Redis."""

    url: ClassVar[str]
    store: ClassVar[Store]
    client: ClassVar[redis.Redis]

    @initialize()
    def begin(self) -> None:
        """Starts with two jobs, and a Redis that remembers the time before the worker came."""
        self.client.flushall()
        self.store.register()
        self.worker = SteppedWorker(self.url)
        self.submitted = 0
        self.waiting: tuple[list[str], Command | None] | None = None
        self.submit(2)
        self.memory: Memory = self.store.remember()

    @rule(count=st.integers(1, 3))
    def submit(self, count: int) -> None:
        """New jobs come in."""
        for _ in range(count):
            assert self.store.submit(f"j{self.submitted}") == [b"accepted"]
            self.submitted += 1

    @rule(after_s=st.sampled_from((0.1, RECONCILED_S)))
    def turn(self, after_s: float) -> None:
        """The session has a turn."""
        self.worker.turn(after_s)
        self._settle()

    def _settle(self) -> None:
        wait_until(lambda: self.worker.is_settled, "a call has begun")

    @precondition(lambda self: self.waiting is None)
    @rule()
    def begin_to_wait(self) -> None:
        """The worker blocks on its bells."""
        self.waiting = self.worker.session.begin_to_wait()

    @precondition(lambda self: self.waiting is not None)
    @rule()
    def hear(self) -> None:
        """The wait for bells is over, and what Redis takes behind it has come."""
        assert self.waiting is not None
        (bells, take), self.waiting = self.waiting, None
        rung = next((bell for bell in bells if self.store.raw("RPOP", bell)), None)
        taken = None if take is None else self.store.run(take)
        self.worker.session.on_bell(self.worker.now_s, rung, taken, self.worker.deliver)
        self._settle()

    @rule()
    def end_call(self) -> None:
        """The call that goes on ends."""
        running = [job for job in self.worker.ran if job.outcome is None]
        if running:
            self.worker.end_call()
            wait_until(lambda: running[0].outcome, "the call has ended")
            self._settle()

    @rule()
    def lose_connection(self) -> None:
        """The worker's connection breaks, and the wait for bells with it."""
        cut(self.store)
        self.waiting = None
        self.turn(1)

    @rule()
    def remember(self) -> None:
        """Redis writes down what it holds."""
        self.memory = self.store.remember()

    @rule()
    def go_back(self) -> None:
        """Redis holds what it held at an earlier time."""
        self.store.go_back(self.memory)

    def teardown(self) -> None:
        """In the end every job that Redis knows of has succeeded, once, and every slot is free."""
        if not hasattr(self, "worker"):
            return
        try:
            self.worker.end_all()
            if self.waiting is not None:
                self.hear()
            wait_until(self._is_done, "all jobs have ended")
            self._check_ends()
        finally:
            self.worker.close()

    def _is_done(self) -> bool:
        self.worker.turn(RECONCILED_S)
        if self.worker.session.may_wait_for_bells(self.worker.now_s):
            self.begin_to_wait()
            self.hear()
        is_open = self.store.raw("EXISTS", ANY_QUEUE, inflight_key("w1"), open_key("echo"))
        return not is_open and self.worker.session.free_slots == SLOTS

    def _check_ends(self) -> None:
        known = [key.decode().rpartition(":")[2] for key in self.store.raw("KEYS", "athena:job:*")]
        assert known
        assert {job_id: self.store.state(job_id) for job_id in known} == dict.fromkeys(
            known, JobState.SUCCEEDED
        )


@pytest.fixture
def machine(redis_client: redis.Redis, redis_server: str) -> Iterator[Any]:
    """The machine, on the test run's Redis."""
    connection: Any = redis_client.connection_pool.make_connection()

    class Bound(OlderStateMachine):
        url = redis_server
        store = Store(connection)
        client = redis_client

    yield Bound
    connection.disconnect()


def test_no_order_of_events_ends_a_job_wrongly(machine: type[OlderStateMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(max_examples=60, stateful_step_count=25, deadline=None),
    )


def test_job_that_is_given_out_twice_ends_by_its_second_take(redis_server: str, store: Store) -> None:
    store.submit("a")
    memory = store.remember()
    worker = SteppedWorker(redis_server)
    worker.turn()
    wait_until(lambda: worker.ran, "the job runs")

    store.go_back(memory)
    worker.session.demand.may_find_jobs = True
    worker.turn()
    worker.end_call()
    wait_until(lambda: len(worker.ran) == 2, "it runs again")
    worker.turn()

    assert worker.ran[0].is_canceled
    assert not store.state("a").is_final
    worker.end_all()
    worker.turn_until(lambda: store.state("a").is_final)
    worker.close()
    assert store.state("a") is JobState.SUCCEEDED
    assert worker.told[-1] == ("a", "succeeded")
    assert worker.session.free_slots == SLOTS


def test_drain_returns_a_job_that_was_given_out_twice_once(redis_server: str, store: Store) -> None:
    for job_id in ("a", "b"):
        store.submit(job_id)
    memory = store.remember()
    worker = SteppedWorker(redis_server)
    worker.turn()
    wait_until(lambda: worker.ran, "the first job runs")
    store.go_back(memory)
    worker.session.demand.may_find_jobs = True
    worker.turn()

    worker.end_all()
    worker.session.drain(10)
    worker.close()

    assert sorted(store.queued()) == ["a", "b"]
    assert not store.exists(inflight_key("w1"))
