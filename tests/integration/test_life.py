"""Promise 1, attacked: any order of events leaves the scripts where `athena.jobs.lifecycle` is."""

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import pytest
import redis
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from athena.jobs.lifecycle import (
    Canceled,
    Event,
    Finished,
    Life,
    Overdue,
    Overran,
    Retried,
    Returned,
    Spoiled,
    Started,
    Taken,
    WorkerDied,
    advance,
)
from athena.jobs.record import JobRecord, Outcome
from athena.operations.jobs import cancel_jobs
from athena.operations.steps import run_steps
from athena.protocol.enums import JobState
from athena.store import keys
from athena.store.fencing import sweep_command
from athena.store.keys import inflight_key, job_key, later_key, open_key
from athena.store.lease import TakenJob
from athena.store.scripts import pairs

from .conftest import ANY_QUEUE, CPU_QUEUE, Memory, Store

pytestmark = pytest.mark.redis

MAX_ATTEMPTS = 3
WORKERS = ("w1", "w2", "w3")

workers = st.sampled_from(WORKERS)
picks = st.integers(0, 99)
some_picks = st.sets(picks, min_size=1, max_size=3)


class Remembered(NamedTuple):
    """What Redis held at some time, what the rules say to it, and which workers it knew."""

    memory: Memory
    lives: dict[str, Life]
    valid: dict[str, TakenJob]
    registered: set[str]


class LifeMachine(RuleBasedStateMachine):
    """Sends events to Redis and to the rules, and compares."""

    store: ClassVar[Store]
    client: ClassVar[redis.Redis]

    @initialize()
    def begin(self) -> None:
        """Starts with an empty Redis and three workers; dead ones come back as new incarnations."""
        self.client.flushall()
        self.lives: dict[str, Life] = {}
        self.incarnations = dict.fromkeys(WORKERS, "")
        self.births = self.submitted = 0
        #: All that was ever taken: tokens stay in the hands of the dead.
        self.taken: list[tuple[str, TakenJob]] = []
        #: job -> the take that Redis knows of.
        self.valid: dict[str, TakenJob] = {}
        self.remembered: Remembered | None = None
        for worker in WORKERS:
            self._be_born(worker)
        self.submit(3, ANY_QUEUE)

    def _be_born(self, worker: str) -> None:
        self.births += 1
        self.incarnations[worker] = f"{worker}-{self.births}"
        self.store.register(self.incarnations[worker])

    def _happen(self, job_id: str, event: Event) -> bool:
        """Applies an event to the rules; returns whether it changed anything."""
        before = self.lives[job_id]
        self.lives[job_id] = advance(before, event)
        return self.lives[job_id] != before

    def _holdings(self, incarnation: str) -> list[str]:
        return [
            job_id
            for job_id, life in self.lives.items()
            if life.holder == incarnation and not life.state.is_final
        ]

    def _busy(self, worker: str) -> tuple[str, list[str]]:
        """Returns a worker that holds jobs, if there is one: that which was named, or another."""
        ordered = [self.incarnations[worker], *self.incarnations.values()]
        incarnation = next((name for name in ordered if self._holdings(name)), ordered[0])
        return incarnation, self._holdings(incarnation)

    @rule(count=st.integers(1, 3), queue=st.sampled_from((ANY_QUEUE, CPU_QUEUE)))
    def submit(self, count: int, queue: str) -> None:
        """New jobs come in."""
        for _ in range(count):
            job_id = f"j{self.submitted}"
            self.submitted += 1
            self.store.submit(job_id, queue=queue)
            self.lives[job_id] = Life()

    @rule(worker=workers, count=st.integers(1, 4))
    def take(self, worker: str, count: int) -> None:
        """A worker takes what it gets; each job at most once."""
        incarnation = self.incarnations[worker]
        for job in self.store.take(count, incarnation):
            assert self._happen(job.job_id, Taken(incarnation)), "it was not there to be taken"
            assert job.runs_alone == self.lives[job.job_id].runs_alone
            self.taken.append((incarnation, job))
            self.valid[job.job_id] = job

    @rule(pick=picks)
    def start(self, pick: int) -> None:
        """A worker, perhaps a dead one, tells that a job runs."""
        if self.taken:
            incarnation, job = self.taken[-1 - pick % len(self.taken)]
            holds = self._holds(incarnation, job)
            assert self.store.start(job) == [int(holds)]
            if holds:
                self._happen(job.job_id, Started(incarnation))

    @rule(pick=picks, state=st.sampled_from((JobState.SUCCEEDED, JobState.FAILED)))
    def finish(self, pick: int, state: JobState) -> None:
        """A worker, perhaps a dead one, tells how a job ended."""
        if self.taken:
            incarnation, job = self.taken[-1 - pick % len(self.taken)]
            was_so = job.job_id in self.lives and self.lives[job.job_id].state is state
            stands = (was_so and self._is_valid(job)) or self._holds(incarnation, job)
            outcome = Outcome(state, b'"x"' if state is JobState.SUCCEEDED else b"", exec_ms=1)
            assert self.store.finish(job.job_id, job.token, outcome, incarnation) == int(stands)
            if stands:
                self._happen(job.job_id, Finished(incarnation, state))

    @rule(pick=picks, delay_s=st.sampled_from((0, 30)))
    def fail_for_now(self, pick: int, delay_s: float) -> None:
        """A worker, perhaps a dead one, tells of a failure that is to be tried again."""
        if self.taken:
            incarnation, job = self.taken[-1 - pick % len(self.taken)]
            life = self.lives.get(job.job_id)
            holds = self._holds(incarnation, job)
            # Its state is told as failed where it is over, so one that has failed so stands.
            was_so = life is not None and life.state is JobState.FAILED and self._is_valid(job)
            outcome = Outcome(JobState.FAILED, code=1, message="away", exec_ms=1, retry_after_s=delay_s)
            assert self.store.finish(job.job_id, job.token, outcome, incarnation) == int(holds or was_so)
            if holds:
                self._happen(job.job_id, Retried(incarnation))

    @rule()
    def wait_for_retries(self) -> None:
        """What was put off comes back."""
        for message in self.store.raw("ZRANGE", later_key("echo"), 0, -1):
            self.store.raw("ZADD", later_key("echo"), 1, message)
        self.store.run(sweep_command("echo", [ANY_QUEUE, CPU_QUEUE], 86400, 60, False))
        assert self.store.put_off() == []

    @rule(worker=workers, picks=st.sets(picks, max_size=3))
    def give_back(self, worker: str, picks: set[int]) -> None:
        """A worker that stops returns what it has not started."""
        incarnation = self.incarnations[worker]
        held = self._holdings(incarnation)
        chosen = {held[pick % len(held)] for pick in picks} if held else set()
        jobs = [self.valid[job_id] for job_id in chosen]
        stale = [job for _, job in self.taken if not self._is_valid(job)]
        assert self.store.give_back(*stale, *jobs, incarnation=incarnation) == len(chosen)
        for job_id in chosen:
            self._happen(job_id, Returned(incarnation))

    @rule(worker=workers, picks=some_picks)
    def acquit(self, worker: str, picks: set[int]) -> None:
        """A worker finds its process broken, and returns what failed in it."""
        incarnation, held = self._busy(worker)
        chosen = {held[pick % len(held)] for pick in picks} if held else set()
        jobs = [self.valid[job_id] for job_id in chosen]
        assert self.store.acquit(*jobs, incarnation=incarnation) == len(chosen)
        for job_id in chosen:
            self._happen(job_id, Spoiled(incarnation))

    @rule(worker=workers, picks=st.sets(picks, max_size=3))
    def reconcile(self, worker: str, picks: set[int]) -> None:
        """A worker knows only of some jobs: the replies of its takes were lost."""
        incarnation = self.incarnations[worker]
        held = self._holdings(incarnation)
        known = {held[pick % len(held)] for pick in picks} if held else set()
        stale = {job.job_id: job for _, job in self.taken if not self._is_valid(job)}
        told = {**stale, **{job_id: self.valid[job_id] for job_id in known}}
        returned, gone = self.store.reconcile(*told.values(), incarnation=incarnation)
        assert set(returned) == set(held) - known
        assert known.isdisjoint(gone)
        for job_id in returned:
            self._happen(job_id, Returned(incarnation))

    @rule(worker=workers, picks=some_picks, is_broken=st.booleans())
    def die_at_work(self, worker: str, picks: set[int], is_broken: bool) -> None:
        """A worker dies, or is broken, and its supervisor knows what it ran."""
        incarnation, held = self._busy(worker)
        blamed = {held[pick % len(held)] for pick in picks} if held else set()
        self.store.fence(*blamed, incarnation=incarnation, max_attempts=MAX_ATTEMPTS, is_broken=is_broken)
        for job_id in held:
            self._happen(job_id, WorkerDied(incarnation, job_id in blamed, MAX_ATTEMPTS))
        self._be_born(incarnation.partition("-")[0])

    @rule(worker=workers)
    def die_with_its_host(self, worker: str) -> None:
        """A worker dies, and nobody knows what it ran."""
        incarnation, held = self._busy(worker)
        self.store.fence(incarnation=incarnation, max_attempts=MAX_ATTEMPTS, blamed=None)
        for job_id in held:
            self._happen(job_id, WorkerDied(incarnation, None, MAX_ATTEMPTS))
        self._be_born(incarnation.partition("-")[0])

    @rule(worker=workers, picks=some_picks)
    def overrun(self, worker: str, picks: set[int]) -> None:
        """A worker is killed because a call runs too long."""
        incarnation, held = self._busy(worker)
        slow = {held[pick % len(held)] for pick in picks} if held else set()
        self.store.fence(*slow, incarnation=incarnation, max_attempts=MAX_ATTEMPTS, overran=True)
        for job_id in held:
            is_slow, is_alone = job_id in slow, len(slow) == 1
            event = (
                Overran(incarnation, is_alone) if is_slow else WorkerDied(incarnation, False, MAX_ATTEMPTS)
            )
            self._happen(job_id, event)
        self._be_born(incarnation.partition("-")[0])

    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """Somebody cancels a job."""
        if self.lives:
            job_id = list(self.lives)[pick % len(self.lives)]
            run_steps(cancel_jobs([job_id]), self.store.run)
            self._happen(job_id, Canceled())

    @rule(pick=picks, by_reading=st.booleans())
    def expire(self, pick: int, by_reading: bool) -> None:
        """A job's time to start passes, and somebody looks."""
        if self.lives:
            job_id = list(self.lives)[pick % len(self.lives)]
            if self.lives[job_id].state.is_final:
                return
            before = self.store.field(job_id, "expires_ms")
            self.store.raw("HSET", job_key(job_id), "expires_ms", 1)
            self.store.raw("ZADD", open_key("echo"), 1, job_id)
            if by_reading:
                self.store.read(job_id)
            else:
                self.store.run(sweep_command("echo", [CPU_QUEUE, ANY_QUEUE], 60, 60, thorough=True))
            self._happen(job_id, Overdue())
            self.store.raw("HSET", job_key(job_id), "expires_ms", before or b"")
            if not self.lives[job_id].state.is_final:
                self.store.raw("ZADD", open_key("echo"), before or b"", job_id)

    @rule()
    def remember(self) -> None:
        """Redis writes down what it holds."""
        registered = {name.decode() for name in self.store.raw("HKEYS", keys.WORKERS)}
        self.remembered = Remembered(self.store.remember(), dict(self.lives), dict(self.valid), registered)

    @rule()
    def go_back(self) -> None:
        """Redis holds what it held at an earlier time; workers and what they hold stay."""
        if self.remembered is None:
            return
        memory, lives, valid, registered = self.remembered
        self.store.go_back(memory)
        self.lives, self.valid = dict(lives), dict(valid)
        # Janitors see to those that Redis takes for alive, and the others end by themselves.
        for incarnation in sorted(registered - set(self.incarnations.values())):
            held = self._holdings(incarnation)
            self.store.fence(incarnation=incarnation, max_attempts=MAX_ATTEMPTS, blamed=None)
            for job_id in held:
                self._happen(job_id, WorkerDied(incarnation, None, MAX_ATTEMPTS))
        for worker, incarnation in list(self.incarnations.items()):
            if incarnation not in registered:
                assert self.store.try_take(1, incarnation) is None
                self._be_born(worker)

    @rule(worker=workers, count=st.integers(1, 4))
    def forget_a_take(self, worker: str, count: int) -> None:
        """Redis forgets what a worker took last, and the worker takes it again."""
        self.remember()
        self.take(worker, count)
        self.go_back()
        self.take(worker, count)

    def _holds(self, incarnation: str, job: TakenJob) -> bool:
        life = self.lives.get(job.job_id)
        if life is None or life.state.is_final:
            return False
        return life.holder == incarnation and self._is_valid(job)

    def _is_valid(self, job: TakenJob) -> bool:
        """Whether it is the take of its job that Redis knows of as the last one."""
        return self.valid.get(job.job_id) is job

    @invariant()
    def records_are_what_the_rules_say(self) -> None:
        """Compares all that decides about a job's next step."""
        for job_id, life in getattr(self, "lives", {}).items():
            record = pairs(self.store.raw("HGETALL", job_key(job_id)))
            holder = record.get(b"token", b"").decode().partition(":")[2]
            found = Life(
                JobState(record[b"state"].decode()),
                life.holder if life.state.is_final else holder,
                JobRecord.decode(job_id, record).attempts,
                int(record.get(b"deaths", 0)),
                b"alone" in record,
                # A record that is over names the worker that ended it.
                life.is_announced if life.state.is_final else b"worker" in record,
            )
            assert found == life, job_id

    @invariant()
    def every_open_job_is_in_one_place(self) -> None:
        """A job that is not final lies in one queue once, or one worker holds it."""
        if not hasattr(self, "lives"):
            return
        queued = [*self.store.queued(CPU_QUEUE), *self.store.queued(ANY_QUEUE), *self.store.put_off()]
        assert set(queued) <= set(self.lives)
        waiting = [job_id for job_id in queued if not self.lives[job_id].state.is_final]
        unheld = [
            job_id for job_id, life in self.lives.items() if not life.holder and not life.state.is_final
        ]
        assert sorted(waiting) == sorted(unheld)
        for incarnation in self.incarnations.values():
            held = {key.decode() for key in self.store.raw("HKEYS", inflight_key(incarnation))}
            assert set(self._holdings(incarnation)) <= held

    @invariant()
    def books_are_true(self) -> None:
        """Exactly the jobs that are not final are counted as open."""
        if not hasattr(self, "lives"):
            return
        listed = {key.decode() for key in self.store.raw("ZRANGE", open_key("echo"), 0, -1)}
        assert listed == {job_id for job_id, life in self.lives.items() if not life.state.is_final}


@pytest.fixture
def machine(redis_client: redis.Redis) -> Iterator[Any]:
    """The machine, on the test run's Redis."""
    connection: Any = redis_client.connection_pool.make_connection()

    class Bound(LifeMachine):
        store = Store(connection)
        client = redis_client

    yield Bound
    connection.disconnect()


def test_no_order_of_events_breaks_the_rules(machine: type[LifeMachine]) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        machine, settings=settings(max_examples=100, stateful_step_count=50, deadline=None)
    )
