"""Who calls a thread that leads, and how often: real threads, a batcher, and turns that are only counted."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from athena.fleet.progress_board import ProgressBoard
from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from tests.conftest import wait_until
from workers.batching.batcher import Batcher
from workers.batching.jobs import BatchJob
from workers.batching.model import BatchOptions, Model
from workers.lease.bells import Bells
from workers.lease.lead import Lead


class Ear:
    """A connection over which no bell rings before somebody rings."""

    def __init__(self) -> None:
        self.rung = threading.Event()
        self.waits = threading.Event()

    def post(self, commands: list[Any]) -> None:
        """Takes commands."""

    def read(self, count: int) -> list[Any]:
        """Waits for the bell, where it is the bell's answer that is read."""
        if not count:
            return []
        self.waits.set()
        assert self.rung.wait(60)
        self.rung.clear()
        self.waits.clear()
        return [(b"bell", b"1")]

    def close(self) -> None:
        """Has nothing to close."""


class Turns:
    """A session that never has anything to exchange; it counts the bells for its own wait."""

    is_draining = False

    def __init__(self, ear: Ear) -> None:
        self.lock = threading.RLock()
        self.rings = 0
        self._ear = ear

    def may_lead(self, now_s: float) -> bool:
        return True

    def must_look(self) -> bool:
        return False

    def exchange(self, now_s: float, send: Any) -> None:
        """Has nothing to exchange."""

    def hear(self, now_s: float, bell: str | None, taken: Any) -> None:
        """Takes nothing with the bell."""

    def lose_wait(self) -> None:
        """Knows of no take."""

    def wake_loop(self, after_s: float = 0) -> None:
        """Has no loop."""

    def ring_own(self) -> None:
        self.rings += 1
        self._ear.rung.set()


class NoBells(Bells):
    """Bells of no queue, without a take behind them."""

    def __init__(self) -> None:
        """Needs nothing of a session."""

    def begin(self) -> tuple[list[str], None]:
        return ["athena:bell:own"], None


class Room:
    """A batcher whose thread leads from its first call on."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.ear = Ear()
        self.turns = Turns(self.ear)
        self.board = ProgressBoard.create(1, 1)
        model = Model(lambda: None, lambda message: None, self._run, lambda: None)
        self.batcher = Batcher(model, BatchOptions(), self.board, lambda: None)
        self.batcher.hand_over(Lead(self.turns, self.ear, NoBells(), self.batcher))  # type: ignore[arg-type]
        self.batcher.start()
        self.put("first")
        assert self.ear.waits.wait(60)

    def _run(self, batch: list[BatchJob]) -> list[Outcome]:
        self.ran += [job.job_id for job in batch]
        assert self.gate.wait(60)
        return [Outcome(JobState.SUCCEEDED, b"")] * len(batch)

    def put(self, *job_ids: str) -> None:
        for job_id in job_ids:
            self.batcher.put(BatchJob(job_id, JobMessage(job_id, "echo", {}, (), {})))

    def wait_ran(self, *job_ids: str) -> None:
        wait_until(lambda: self.ran[-len(job_ids) :] == list(job_ids), f"{job_ids} have run")


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    # However slow the machine is.
    monkeypatch.setattr("workers.batching.call_clock.SHORT_S", 1000.0)
    room = Room()
    yield room
    room.batcher.close()
    room.ear.rung.set()
    assert room.batcher.join(60)
    room.board.close()


def test_jobs_that_come_together_end_the_wait_of_the_thread_once(room: Room) -> None:
    with room.turns.lock:
        room.put("a", "b", "c")
        assert room.turns.rings == 1
    room.wait_ran("a", "b", "c")

    assert room.ear.waits.wait(60)
    room.put("d")
    room.wait_ran("d")
    assert room.turns.rings == 2


def test_thread_that_waits_for_its_turn_needs_no_bell(room: Room) -> None:
    room.gate.clear()
    room.put("a")
    wait_until(lambda: room.ran[-1] == "a", "the call has begun")
    rings = room.turns.rings
    with room.turns.lock:
        room.gate.set()
        wait_until(lambda: room.batcher._away is not None, "the thread wants its turn")
        room.put("b")
        assert room.turns.rings == rings

    room.wait_ran("b")


def test_call_that_came_too_late_costs_one_look(room: Room) -> None:
    lead = room.batcher._lead
    assert lead is not None
    room.put("a")
    room.wait_ran("a")
    assert room.ear.waits.wait(60)

    lead.rouse()
    assert room.ear.waits.wait(60)
    room.put("b")

    room.wait_ran("b")
