"""Jobs that an inference thread has taken itself, and what it leaves to Celery's thread."""

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.celery_message import encode_message
from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.store.lease import TakenJob
from workers.consumer.event_budget import EventBudget
from workers.consumer.led_jobs import LedJobs
from workers.consumer.loop_calls import LoopCalls
from workers.consumer.task_events import TaskBoard

ENTRY = WorkerEntry("w1", "w@h", "echo", "v1", "cpu", 3)


class Room:
    """A board with its thread, which is the test's, and a session that notes what it accepts."""

    def __init__(self, shown_per_s: int = 0) -> None:
        self.wakes: list[None] = []
        self.events: list[str] = []
        self.accepted: list[tuple[Any, ...]] = []
        self.calls = LoopCalls(self._wake)
        dispatcher = SimpleNamespace(enabled=True, send=lambda kind, **fields: self.events.append(kind))
        self.board = TaskBoard(ENTRY, None, EventBudget(shown_per_s), lambda: dispatcher, self.calls)
        session: Any = SimpleNamespace(accept=lambda *given: self.accepted.append(given))
        self.led_jobs = LedJobs(session, self.board, self._wake)

    def _wake(self) -> None:
        self.wakes.append(None)

    def deliver(self, message: bytes) -> TakenJob:
        job = TakenJob("j1", "1.1", "echo.any", message)
        in_thread(lambda: self.led_jobs.deliver(job))
        return job


def in_thread(step: Callable[[], object]) -> None:
    thread = threading.Thread(target=step)
    thread.start()
    thread.join()


def ours() -> bytes:
    return encode_message(JobMessage("j1", "echo", {}, (), {}), "echo.any")


def test_job_of_a_gateway_goes_to_the_session_at_once() -> None:
    room = Room()

    room.deliver(ours())

    assert [given[0] for given in room.accepted] == ["j1"]
    assert (room.led_jobs.take_others(), room.wakes) == ([], [])


@pytest.mark.parametrize(
    "message",
    [
        ours().replace(b'"athena":', b'"other":'),
        ours().replace(b'"athena.run"', b'"other.run"'),
        b"no JSON",
        b'{"headers": 7}',
    ],
    ids=["of another client", "another task", "no JSON", "odd headers"],
)
def test_what_is_not_ordinary_waits_for_the_loop(message: bytes) -> None:
    room = Room()

    job = room.deliver(message)

    assert (room.accepted, room.wakes) == ([], [None])
    assert (room.led_jobs.take_others(), room.led_jobs.take_others()) == ([job], [])


def test_revoked_job_waits_for_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room()
    monkeypatch.setattr(state, "revoked", {"j1"})

    job = room.deliver(ours())

    assert (room.accepted, room.led_jobs.take_others()) == ([], [job])


def test_events_of_a_job_are_sent_by_celerys_thread_in_their_order() -> None:
    room = Room(shown_per_s=10)
    room.deliver(ours())
    _, _, on_started, on_ended = room.accepted[0]

    in_thread(on_started)
    in_thread(lambda: on_ended(Outcome(JobState.SUCCEEDED, b"{}")))

    before = list(room.events)
    room.calls.run()
    assert before == []
    assert room.events == ["task-received", "task-started", "task-succeeded"]
    # Nobody waits for them, so one wake is enough.
    assert room.wakes == [None]


def test_job_beyond_the_budget_is_counted_and_wakes_nobody() -> None:
    room = Room()
    before = state.total_count["echo"]

    room.deliver(ours())
    in_thread(lambda: room.accepted[0][3](Outcome(JobState.SUCCEEDED, b"{}")))

    assert state.total_count["echo"] == before + 1
    assert (room.events, room.wakes) == ([], [])


def test_call_of_celerys_own_thread_is_made_at_once() -> None:
    made: list[int] = []
    calls = LoopCalls(lambda: None)

    calls.do(made.append, 1)

    assert made == [1]
