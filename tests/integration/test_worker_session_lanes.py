"""When a worker's session takes which jobs: lanes, slots of their own for urgent jobs, and late binding."""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from athena.fleet.progress_board import ProgressBoard
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.queues import queue_name
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.store.keys import bell_key
from athena.store.lease import TakenJob
from athena.store.link import BlockingLink
from athena.store.scripts import Command
from tests.conftest import wait_until
from workers.batching.batcher import Batcher
from workers.batching.jobs import BatchJob
from workers.batching.model import BatchOptions, Model
from workers.lease.arrivals import ForeignJobs
from workers.lease.recycling import Wear
from workers.lease.session import LoopHooks, WorkerSession

from .conftest import ANY_QUEUE, FOREIGN, Store
from .test_worker_session import SLOTS, Worker, ended, started, submit

pytestmark = pytest.mark.redis

HIGH_QUEUE = queue_name("echo", "cpu", "high")


@pytest.fixture
def worker(store: Store, redis_server: str) -> Iterator[Worker]:
    """A worker that the store knows as w1."""
    with started(redis_server) as worker:
        yield worker


def ring(worker: Worker, queue: str | None) -> None:
    worker.session.on_bell(worker.now_s, bell_key(queue) if queue else None, None, worker.deliver)


def test_high_job_is_taken_although_no_slot_is_free_and_runs_next(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, *"abcdef")
    worker.turn()
    wait_until(lambda: worker.ran, "the first job runs")
    store.submit("urgent", queue=HIGH_QUEUE)

    ring(worker, HIGH_QUEUE)
    worker.turn()
    held = store.raw("HLEN", "athena:inflight:w1")
    worker.gate.set()
    worker.turn_until(lambda: ended(store, *"abcdef", "urgent"))

    assert held == SLOTS + 1
    assert [job.job_id for job in worker.ran][:2] == ["a", "urgent"]


def test_no_more_high_jobs_are_taken_than_there_are_slots_for_them(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    for number in range(SLOTS + 3):
        store.submit(f"h{number}", queue=HIGH_QUEUE)

    worker.turn()
    worker.turn()
    held = store.raw("HLEN", "athena:inflight:w1")
    worker.gate.set()

    assert held == SLOTS + 1
    worker.turn_until(lambda: ended(store, *(f"h{number}" for number in range(SLOTS + 3))))


def test_worker_in_the_middle_of_a_call_leaves_jobs_to_others(
    worker: Worker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = worker.session
    worker.gate.clear()
    submit(store, "a")
    worker.turn()
    wait_until(lambda: worker.ran, "the first job runs")
    rest_s = [0.75]
    monkeypatch.setattr(worker.batcher, "until_refill_s", lambda now_s: rest_s[0])
    submit(store, "b")
    store.raw("DEL", bell_key(ANY_QUEUE))

    assert not session.may_wait_for_bells(worker.now_s)
    ring(worker, ANY_QUEUE)
    worker.turn()
    passed_on = store.raw("LLEN", bell_key(ANY_QUEUE))
    waiting = store.queued()
    wakes = list(worker.wakes)
    rest_s[0] = 0.0
    worker.turn()
    taken = not store.queued()
    worker.gate.set()
    worker.turn_until(lambda: ended(store, "a", "b"))

    assert (passed_on, waiting) == (1, ["b"])
    assert wakes[-1] == pytest.approx(0.75)
    assert taken


def test_full_worker_waits_for_urgent_jobs_when_its_calls_are_long(
    worker: Worker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.gate.clear()
    submit(store, *"abcdef")
    worker.turn()

    assert not worker.session.may_wait_for_bells(worker.now_s)
    monkeypatch.setattr(Batcher, "has_long_calls", True)
    assert worker.session.may_wait_for_bells(worker.now_s)
    monkeypatch.setattr(worker.batcher, "until_refill_s", lambda now_s: 0.3)
    assert not worker.session.may_wait_for_bells(worker.now_s)
    monkeypatch.undo()
    worker.gate.set()
    worker.turn_until(lambda: ended(store, *"abcdef"))


def test_worker_that_is_free_again_ends_its_wait_for_urgent_jobs(worker: Worker, store: Store) -> None:
    worker.gate.clear()
    submit(store, *"abcd")
    worker.turn()
    worker.session.demand.hears_urgent_only = True
    worker.gate.set()

    worker.turn_until(lambda: ended(store, *"abcd") and not worker.session.demand.may_find_jobs)

    assert not worker.session.demand.hears_urgent_only
    assert store.raw("LLEN", worker.session.own_bell) == 1
    assert 0 < store.raw("TTL", worker.session.own_bell) <= 5


def test_worker_that_stops_lets_go_of_its_bells(worker: Worker, store: Store) -> None:
    worker.session.drain(1)

    assert store.raw("LLEN", worker.session.own_bell) == 1


def test_urgent_job_that_missed_the_next_call_goes_back_for_others(
    worker: Worker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.gate.clear()
    submit(store, *"abcdef")
    worker.turn()
    wait_until(lambda: worker.ran, "the first job runs")
    store.submit("urgent", queue=HIGH_QUEUE)
    ring(worker, HIGH_QUEUE)
    exchange, calls_begun = worker.link.run, []

    def begin_call_meanwhile(commands: list[Command]) -> list[Any]:
        replies = exchange(commands)
        calls_begun.append(True)
        return replies

    monkeypatch.setattr(worker.link, "run", begin_call_meanwhile)
    monkeypatch.setattr(worker.batcher, "until_refill_s", lambda now_s: 0.2 if calls_begun else 0.0)

    worker.turn()
    left = store.queued(HIGH_QUEUE)
    rung = store.raw("LLEN", bell_key(HIGH_QUEUE))
    monkeypatch.undo()
    worker.gate.set()
    worker.turn_until(lambda: ended(store, *"abcdef", "urgent"))

    assert (left, rung) == (["urgent"], 1)
    assert store.record("urgent").attempts == 1


class Flood:
    """A worker with short calls, and lanes that never run empty."""

    def __init__(self, store: Store, redis_url: str, slots: int, max_batch: int, threads: int) -> None:
        self.ran: list[str] = []
        self._store = store
        self._numbers = Counter[str]()
        self._has_ended = threading.Event()
        self._board = ProgressBoard.create(threads, max_batch)
        model = Model(lambda: None, lambda message: 0, self._run, lambda: None)
        options = BatchOptions(max_batch, 0, threads)
        self._batcher = Batcher(model, options, self._board, self._has_ended.set)
        self._link = BlockingLink(redis_url, 5)
        self._session = WorkerSession(
            WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", slots),
            self._link,
            self._batcher,
            ForeignJobs(lambda job_id, envelope: pytest.fail("no foreign job was sent"), FOREIGN),
            Wear(max_jobs=0, max_memory_mb=0),
            max_batch * threads,
            LoopHooks(self._board.pulse, lambda seconds: None),
        )
        self._batcher.start()

    def work(self, jobs: int, lanes: dict[str, int]) -> None:
        """Runs so many jobs, while so many of each lane always wait."""
        deadline_s = time.monotonic() + 60
        while len(self.ran) < jobs:
            assert time.monotonic() < deadline_s
            for lane, count in lanes.items():
                self._fill(lane, count)
            self._has_ended.wait(0.05)
            self._has_ended.clear()
            self._session.turn(time.monotonic(), self._deliver)

    def close(self) -> None:
        self._batcher.close()
        assert self._batcher.join(60)
        self._link.close()
        self._board.close()

    def _fill(self, lane: str, count: int) -> None:
        queue = queue_name("echo", "cpu", lane)
        for _ in range(count - self._store.raw("LLEN", queue)):
            self._numbers[lane] += 1
            self._store.submit(f"{lane}-{self._numbers[lane]}", queue=queue, max_queue_jobs=10**6)

    def _deliver(self, job: TakenJob) -> None:
        body = json.loads(json.loads(job.message)["body"])
        self._session.accept(job.job_id, body[0][0], lambda: None, lambda outcome: None)

    def _run(self, batch: list[BatchJob]) -> list[Outcome]:
        self.ran += [job.job_id.partition("-")[0] for job in batch]
        return [Outcome(JobState.SUCCEEDED, b"{}", exec_ms=1) for _ in batch]


@pytest.mark.parametrize(("slots", "max_batch", "threads"), [(8, 4, 1), (16, 8, 1), (4, 1, 1), (4, 1, 4)])
def test_flood_of_high_jobs_starves_nobody(
    store: Store, redis_server: str, slots: int, max_batch: int, threads: int
) -> None:
    flood = Flood(store, redis_server, slots, max_batch, threads)
    try:
        flood.work(600, {"high": 60, "normal": 20, "low": 20})
    finally:
        flood.close()

    ran = Counter(flood.ran[100:])
    share = {lane: ran[lane] / ran.total() for lane in ("high", "normal", "low")}
    assert share["high"] > 0.7
    assert share["normal"] > 0.06
    assert share["low"] > 0.06
