"""The inputs of the next call are prepared while a call goes on: real threads, a model that waits."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from athena.fleet.progress_board import ProgressBoard
from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from tests.conftest import wait_until
from workers.batching import preparation
from workers.batching.batcher import Batcher
from workers.batching.call_clock import CallClock
from workers.batching.jobs import BatchJob
from workers.batching.model import BatchOptions, Model

SIZE_BYTES = 100


class LongModel:
    """A model whose calls, and whose preparations, wait at gates."""

    def __init__(self) -> None:
        self.may_end, self.prepare_gate = threading.Semaphore(0), threading.Event()
        self.prepare_gate.set()
        self.called: list[list[str]] = []
        self.prepared: list[str] = []
        self.begun: list[str] = []
        #: Of each call: which of its jobs had been prepared when it began.
        self.found: list[list[str]] = []

    def run(self, batch: list[BatchJob]) -> list[Outcome]:
        self.found.append([job.job_id for job in batch if job.prepared is not None])
        self.called.append([job.job_id for job in batch])
        assert self.may_end.acquire(timeout=60)
        return [Outcome(JobState.SUCCEEDED)] * len(batch)

    def prepare(self, job: BatchJob) -> int:
        self.begun.append(job.job_id)
        assert self.prepare_gate.wait(60)
        job.prepared = "inputs"
        self.prepared.append(job.job_id)
        return SIZE_BYTES


class Room:
    """A batcher with a call that goes on."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.model = LongModel()
        self.board = ProgressBoard.create(options.get("threads", 1), options.get("max_batch", 1))
        self.ended: list[BatchJob] = []
        model = Model(
            lambda: None, lambda message: "key", self.model.run, lambda: None, prepare=self.model.prepare
        )
        self.batcher = Batcher(model, BatchOptions(**options), self.board, self._on_ended)
        self.batcher.start()
        self.put("running")
        wait_until(lambda: len(self.model.called) == 1, "the first call has begun")

    def _on_ended(self) -> None:
        self.ended += self.batcher.collect()

    def put(self, *job_ids: str) -> list[BatchJob]:
        jobs = [BatchJob(job_id, JobMessage(job_id, "echo", {}, (), {})) for job_id in job_ids]
        for job in jobs:
            self.batcher.put(job)
        return jobs

    def let_end(self, calls: int) -> None:
        self.model.may_end.release(calls)

    def close(self) -> None:
        self.let_end(10)
        self.model.prepare_gate.set()
        self.batcher.close()
        assert self.batcher.join(60)
        self.board.close()


MakeRoom = Callable[..., Room]


@pytest.fixture
def make_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeRoom]:
    """Makes rooms whose calls are long, however long they really take."""
    rooms: list[Room] = []

    def make(is_long: bool = True, **options: Any) -> Room:
        monkeypatch.setattr(CallClock, "leaves_time", is_long)
        rooms.append(Room(options))
        return rooms[-1]

    yield make
    for room in rooms:
        room.close()


def preparing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "preparation"]


def test_jobs_of_the_next_call_are_prepared_while_one_goes_on(make_room: MakeRoom) -> None:
    room = make_room(max_batch=2)

    room.put("a", "b", "c")
    wait_until(lambda: room.model.prepared == ["a", "b"], "the next call is prepared")
    room.let_end(1)
    # It waits already when that call begins.
    wait_until(lambda: room.model.prepared == ["a", "b", "c"], "the call after it is prepared")
    room.let_end(2)
    wait_until(lambda: len(room.ended) == 4, "all have ended")

    assert room.model.called[1:] == room.model.found[1:] == [["a", "b"], ["c"]]


def test_call_waits_for_a_job_that_is_being_prepared(make_room: MakeRoom) -> None:
    room = make_room(max_batch=2)
    room.model.prepare_gate.clear()
    room.put("a", "b")
    wait_until(lambda: room.model.begun == ["a"], "the first is being prepared")

    room.let_end(2)
    wait_until(lambda: not room.batcher._waiting, "the next call has its jobs")
    assert len(room.model.called) == 1
    room.model.prepare_gate.set()
    wait_until(lambda: len(room.ended) == 3, "all have ended")

    # The second was not begun: the call does that itself.
    assert (room.model.called[1:], room.model.found[1], room.model.begun) == ([["a", "b"]], ["a"], ["a"])


def test_call_waits_not_for_ever(make_room: MakeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "PATIENCE_S", 0.05)
    room = make_room()
    room.model.prepare_gate.clear()
    room.put("a")
    wait_until(lambda: room.model.begun == ["a"], "it is being prepared")

    room.let_end(2)
    wait_until(lambda: len(room.ended) == 2, "it was run all the same")

    assert room.model.found[1] == []


def test_no_more_is_prepared_than_may_be_held(make_room: MakeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "MAX_BYTES", 2 * SIZE_BYTES)
    room = make_room(max_batch=8)

    jobs = room.put(*"abcdef")
    wait_until(lambda: len(room.model.prepared) == 2, "two are prepared")
    assert room.batcher.withdraw(jobs[0])
    room.put("g")
    wait_until(lambda: len(room.model.prepared) == 3, "another one may be")

    assert room.model.begun == ["a", "b", "c"]


@pytest.mark.parametrize(("is_long", "threads"), [(False, 1), (True, 2)])
def test_calls_that_are_short_or_beside_each_other_prepare_themselves(
    make_room: MakeRoom, is_long: bool, threads: int
) -> None:
    others = len(preparing_threads())
    room = make_room(is_long, threads=threads)

    room.put("a", "b", "c")
    assert len(preparing_threads()) == others
    room.let_end(4)
    wait_until(lambda: len(room.ended) == 4, "all have ended")

    assert room.model.begun == []


def test_thread_ends_with_the_batcher(make_room: MakeRoom) -> None:
    others = len(preparing_threads())
    room = make_room()
    room.put("a")
    wait_until(lambda: room.model.prepared == ["a"], "it is prepared")
    assert len(preparing_threads()) == others + 1

    room.batcher.close()
    wait_until(lambda: len(preparing_threads()) == others, "the thread has ended")
    # A job that comes too late begins none anew.
    room.put("late")
    assert len(preparing_threads()) == others
