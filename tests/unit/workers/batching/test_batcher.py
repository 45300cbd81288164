"""The batcher: real threads, and a model that waits until a test lets it go on."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from athena.fleet.progress_board import Call, ProgressBoard
from athena.jobs.message import JobMessage
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from tests.conftest import wait_until
from workers.batching.batcher import Batcher
from workers.batching.jobs import BatchJob
from workers.batching.model import BatchOptions, Model
from workers.batching.suspicion import Breakage

LONG_MS = 600_000

#: Time limit of jobs that share no call here.
SHARES_NOT = 77


class Recorder:
    """A model that notes what it is asked to do, and waits at the gate when that is closed."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.batches: list[list[str]] = []
        self.threads: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        #: Whether the process is broken, whether there is an example, and what a failure says that stays.
        self.wrong = ""
        self.has_example = True
        self.symptom = ""
        self.breaks_at = ""

    def load(self) -> None:
        self._note("load")

    def run(self, batch: list[BatchJob]) -> list[Outcome]:
        self._note("run")
        self.batches.append([job.job_id for job in batch])
        assert self.gate.wait(60)
        return [self._outcome(job, len(batch)) for job in batch]

    def _outcome(self, job: BatchJob, batch_size: int) -> Outcome:
        if job.job_id == self.breaks_at:
            self.wrong = "no licence"
        if self.wrong or job.job_id.startswith("bad"):
            return Outcome(JobState.FAILED, code=10909, message="it failed", batch_size=batch_size)
        return Outcome(JobState.SUCCEEDED, job.job_id.encode(), batch_size=batch_size)

    def check(self, symptom: str) -> str:
        self._note("check")
        assert self.gate.wait(60)
        return self.wrong if self.has_example else symptom

    def take_symptom(self) -> str:
        return self.symptom

    def unload(self) -> None:
        self._note("unload")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self.threads.append(threading.current_thread().name)


def _batch_key(message: JobMessage) -> object:
    return None if message.max_exec_s == SHARES_NOT else message.max_exec_s


class Room:
    """A batcher with its model and its progress board."""

    def __init__(self, recorder: Recorder, options: dict[str, Any]) -> None:
        self.recorder = recorder
        self.board = ProgressBoard.create(options.get("threads", 1), options.get("max_batch", 1))
        self.ended: list[BatchJob] = []
        self.wakes: list[int] = []
        self.batcher = Batcher(
            Model(
                recorder.load,
                _batch_key,
                recorder.run,
                recorder.unload,
                has_example=lambda: recorder.has_example,
                check=recorder.check,
                symptom=recorder.take_symptom,
            ),
            BatchOptions(**options),
            self.board,
            self._on_ended,
        )

    def _on_ended(self) -> None:
        ended = self.batcher.collect()
        self.wakes.append(len(ended))
        self.ended += ended

    def put(self, *job_ids: str, max_exec_s: float = 0, **fields: Any) -> list[BatchJob]:
        jobs = [
            BatchJob(job_id, JobMessage(job_id, "echo", {}, (), {}, max_exec_s=max_exec_s), **fields)
            for job_id in job_ids
        ]
        for job in jobs:
            self.batcher.put(job)
        return jobs

    def wait_run(self, *batches: list[str]) -> None:
        """Waits until these batches, and no others, have begun."""
        wait_until(lambda: len(self.recorder.batches) >= len(batches), f"batches {batches}")
        assert self.recorder.batches == list(batches)

    def wait_ended(self, count: int) -> None:
        wait_until(lambda: len(self.ended) >= count, f"{count} jobs have ended")


MakeRoom = Callable[..., Room]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def make_room(recorder: Recorder) -> Iterator[MakeRoom]:
    """Makes started batchers; after the test their threads must end."""
    rooms: list[Room] = []

    def make(**options: Any) -> Room:
        rooms.append(Room(recorder, options))
        rooms[-1].batcher.start()
        return rooms[-1]

    yield make
    recorder.gate.set()
    for room in rooms:
        room.batcher.close()
        assert room.batcher.join(60)
        room.board.close()


def hold_first(room: Room) -> None:
    """Lets one job begin and not end, so that what comes next has to wait."""
    room.recorder.gate.clear()
    room.put("first")
    room.wait_run(["first"])


# running


def test_job_gets_its_outcome(make_room: MakeRoom) -> None:
    room = make_room()

    (job,) = room.put("j1")
    room.wait_ended(1)

    assert room.ended == [job]
    assert job.outcome == Outcome(JobState.SUCCEEDED, b"j1", batch_size=1)
    assert job.is_started


def test_jobs_run_one_by_one_in_the_order_they_came(make_room: MakeRoom) -> None:
    room = make_room()

    room.put("a", "b", "c")
    room.wait_ended(3)

    assert room.recorder.batches == [["a"], ["b"], ["c"]]
    assert [job.job_id for job in room.ended] == ["a", "b", "c"]
    assert sum(room.wakes) == 3


def test_ended_jobs_are_collected_once(make_room: MakeRoom) -> None:
    room = make_room()

    room.put("a")
    room.wait_ended(1)

    assert room.batcher.collect() == []


def test_batch_is_what_waits_up_to_its_size(make_room: MakeRoom) -> None:
    room = make_room(max_batch=3)
    hold_first(room)

    room.put("a", "b", "c", "d")
    room.recorder.gate.set()
    room.wait_ended(5)

    assert room.recorder.batches == [["first"], ["a", "b", "c"], ["d"]]
    assert [job.outcome.batch_size for job in room.ended if job.outcome] == [1, 3, 3, 3, 1]
    assert sum(room.wakes) == 5


def test_jobs_that_wait_are_not_started(make_room: MakeRoom) -> None:
    room = make_room()
    hold_first(room)

    (waiting,) = room.put("a")

    assert not waiting.is_started
    assert waiting.outcome is None


def test_progress_board_shows_a_call_while_it_runs(make_room: MakeRoom) -> None:
    room = make_room(max_exec_s=7.5)
    before_s = time.monotonic()
    hold_first(room)

    (call,) = room.board.calls()
    room.recorder.gate.set()
    room.wait_ended(1)

    assert call == Call(call.since_s, 7.5, ("first",))
    assert before_s <= call.since_s <= time.monotonic()
    assert room.board.calls() == []


def test_threads_run_jobs_side_by_side(make_room: MakeRoom) -> None:
    room = make_room(threads=2)
    room.recorder.gate.clear()

    room.put("a", "b", "c")
    wait_until(lambda: len(room.recorder.batches) == 2, "two jobs run")
    calls = room.board.calls()
    room.recorder.gate.set()
    room.wait_ended(3)

    assert sorted(job_id for call in calls for job_id in call.job_ids) == ["a", "b"]
    assert sorted(set(room.recorder.threads)) == ["inference-0", "inference-1"]


def test_jobs_of_different_keys_do_not_share_a_batch(make_room: MakeRoom) -> None:
    room = make_room(max_batch=4)
    hold_first(room)

    room.put("a", "b")
    room.put("c", max_exec_s=2)
    room.put("d", "e")
    room.recorder.gate.set()
    room.wait_ended(6)

    assert room.recorder.batches == [["first"], ["a", "b"], ["c"], ["d", "e"]]


def test_call_may_take_as_long_as_its_jobs_may(make_room: MakeRoom) -> None:
    room = make_room(max_exec_s=7.5)
    room.recorder.gate.clear()

    room.put("a", max_exec_s=2)
    room.wait_run(["a"])

    assert [call.limit_s for call in room.board.calls()] == [2]


# jobs under which a worker died before


def test_job_that_runs_alone_has_no_company_in_its_batch(make_room: MakeRoom) -> None:
    room = make_room(max_batch=4)
    hold_first(room)

    room.put("a")
    room.put("b", "c", runs_alone=True)
    room.put("d", "e")
    room.recorder.gate.set()
    room.wait_ended(6)

    assert room.recorder.batches == [["first"], ["a"], ["b"], ["c"], ["d", "e"]]


def test_job_that_runs_alone_has_no_company_in_its_process(make_room: MakeRoom) -> None:
    room = make_room(threads=3)
    hold_first(room)

    (alone,) = room.put("a", runs_alone=True)
    room.put("b", "c")
    with pytest.raises(AssertionError, match="not in time"):
        wait_until(lambda: alone.is_started, "the job is started", 0.05)
    room.recorder.gate.set()
    room.wait_ended(1)
    room.recorder.gate.clear()
    room.wait_ended(1)
    room.recorder.gate.set()
    room.wait_ended(4)

    assert [batch for batch in room.recorder.batches[:2]] == [["first"], ["a"]]


def test_nothing_is_started_beside_a_job_that_runs_alone(make_room: MakeRoom) -> None:
    room = make_room(threads=3)
    room.recorder.gate.clear()
    room.put("a", runs_alone=True)
    room.wait_run(["a"])

    (other,) = room.put("b")
    with pytest.raises(AssertionError, match="not in time"):
        wait_until(lambda: other.is_started, "the job is started", 0.05)
    room.recorder.gate.set()
    room.wait_ended(2)

    assert room.recorder.batches == [["a"], ["b"]]


# jobs that are not to be started any more


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"is_canceled": True}, JobState.CANCELED),
        ({"is_lost": True}, JobState.CANCELED),
        ({"start_by_s": 1.0}, JobState.EXPIRED),
    ],
)
def test_unwanted_job_ends_without_being_started(
    make_room: MakeRoom, fields: dict[str, Any], state: JobState
) -> None:
    room = make_room(max_batch=2)
    hold_first(room)

    (unwanted,) = room.put("a", **fields)
    room.put("b")
    room.recorder.gate.set()
    room.wait_ended(3)

    assert room.recorder.batches == [["first"], ["b"]]
    assert unwanted.outcome is not None
    assert (unwanted.outcome.state, unwanted.outcome.batch_size) == (state, 0)
    assert not unwanted.is_started


# waiting for a batch to fill


def test_batch_is_awaited_until_it_is_full(make_room: MakeRoom) -> None:
    room = make_room(max_batch=2, max_wait_ms=LONG_MS)

    (job,) = room.put("a")
    with pytest.raises(AssertionError, match="not in time"):
        wait_until(lambda: job.is_started, "the job is started", 0.05)
    room.put("b")
    room.wait_ended(2)

    assert room.recorder.batches == [["a", "b"]]


def test_batch_that_does_not_fill_runs_after_the_wait(make_room: MakeRoom) -> None:
    room = make_room(max_batch=2, max_wait_ms=1)

    room.put("a")
    room.wait_ended(1)

    assert room.recorder.batches == [["a"]]


def test_full_batch_waits_for_nothing(make_room: MakeRoom) -> None:
    room = make_room(max_batch=2, max_wait_ms=LONG_MS)

    room.put("a", "b", "c", "d")
    room.wait_ended(4)

    assert room.recorder.batches == [["a", "b"], ["c", "d"]]


def test_job_that_shares_no_call_waits_for_no_other(make_room: MakeRoom) -> None:
    room = make_room(max_batch=2, max_wait_ms=LONG_MS)

    room.put("alone", max_exec_s=SHARES_NOT)
    room.wait_ended(1)
    room.put("a", "b")
    room.wait_ended(3)

    assert room.recorder.batches == [["alone"], ["a", "b"]]


def test_batcher_that_closes_does_not_wait_for_more(make_room: MakeRoom) -> None:
    room = make_room(max_batch=2, max_wait_ms=LONG_MS)
    room.batcher.loaded.result(60)

    (job,) = room.put("a")
    left = room.batcher.close()

    assert left == [job]
    assert room.batcher.join(60)
    assert room.recorder.batches == []


# loading


def test_model_is_loaded_run_and_released_by_one_thread(make_room: MakeRoom) -> None:
    room = make_room()

    room.batcher.loaded.result(60)
    room.put("a")
    room.wait_ended(1)
    room.batcher.close()

    assert room.batcher.join(60)
    assert room.recorder.calls == ["load", "run", "unload"]
    assert set(room.recorder.threads) == {"inference-0"}


def test_model_is_released_after_all_threads_are_through(make_room: MakeRoom, recorder: Recorder) -> None:
    gates = {"inference-0": threading.Event(), "inference-1": threading.Event()}

    def run(batch: list[BatchJob]) -> list[Outcome]:
        recorder.batches.append([])
        assert gates[threading.current_thread().name].wait(60)
        return [Outcome(JobState.SUCCEEDED)]

    recorder.run = run  # type: ignore[method-assign]
    room = make_room(threads=2)
    room.put("a", "b")
    wait_until(lambda: len(recorder.batches) == 2, "two jobs run")

    room.batcher.close()
    gates["inference-0"].set()
    ended_early = room.batcher.join(0.05)
    during = list(recorder.calls)
    gates["inference-1"].set()

    assert not ended_early
    assert during == ["load"]
    assert room.batcher.join(60)
    assert recorder.calls == ["load", "unload"]


def test_nothing_runs_before_the_model_is_loaded(make_room: MakeRoom, recorder: Recorder) -> None:
    loading = threading.Event()
    recorder.load = lambda: recorder.calls.append(f"load {loading.wait(60)}")  # type: ignore[method-assign]
    room = make_room(threads=2)

    room.put("a", "b")
    with pytest.raises(TimeoutError):
        room.batcher.loaded.result(0.02)
    loading.set()
    room.wait_ended(2)

    assert recorder.calls == ["load True", "run", "run"]


@pytest.mark.parametrize("error", [ValueError("no model"), SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("threads", [1, 2])
def test_model_that_cannot_be_loaded_ends_the_threads(
    make_room: MakeRoom, recorder: Recorder, error: BaseException, threads: int
) -> None:
    def fail() -> None:
        raise error

    recorder.load = fail  # type: ignore[method-assign]
    room = make_room(threads=threads)

    assert room.batcher.loaded.exception(10) is error
    assert room.batcher.join(60)
    assert recorder.calls == []


# closing


def test_closing_finishes_what_runs_and_returns_the_rest(make_room: MakeRoom) -> None:
    room = make_room()
    hold_first(room)
    waiting = room.put("a", "b")

    left = room.batcher.close()
    room.recorder.gate.set()

    assert left == waiting
    assert room.batcher.join(60)
    assert [job.job_id for job in room.ended] == ["first"]
    assert room.recorder.calls == ["load", "run", "unload"]
    assert not any(job.is_started for job in waiting)


def test_join_says_when_a_call_did_not_end(make_room: MakeRoom) -> None:
    room = make_room()
    hold_first(room)
    room.batcher.close()

    assert not room.batcher.join(0)
    room.recorder.gate.set()
    assert room.batcher.join(60)


@pytest.mark.parametrize(("tell_every_s", "wakes"), [(0, [1, 1, 1, 1]), (60, [4])])
def test_ends_are_told_together_while_jobs_wait(
    make_room: MakeRoom, monkeypatch: pytest.MonkeyPatch, tell_every_s: float, wakes: list[int]
) -> None:
    monkeypatch.setattr("workers.batching.ended_jobs.TELL_EVERY_S", tell_every_s)
    room = make_room()
    room.batcher._ended._told_s = time.monotonic()
    hold_first(room)

    room.put("a", "b", "c")
    room.recorder.gate.set()
    room.wait_ended(4)

    assert room.wakes == wakes


def test_closing_twice_returns_nothing_more(make_room: MakeRoom) -> None:
    room = make_room()
    hold_first(room)
    room.put("a")

    assert len(room.batcher.close()) == 1
    assert room.batcher.close() == []


def test_time_for_the_next_jobs_comes_with_the_end_of_the_call(
    make_room: MakeRoom, recorder: Recorder
) -> None:
    room = make_room()
    assert room.batcher.until_refill_s(time.monotonic()) == 0
    room.batcher._clock.typical_s = 10.0
    recorder.gate.clear()
    room.put("a")
    room.wait_run(["a"])

    assert 0 < room.batcher.until_refill_s(time.monotonic()) < 10
    assert room.batcher.has_long_calls
    assert room.batcher.until_refill_s(time.monotonic() + 70) == 0


def test_threads_beside_each_other_always_want_jobs(make_room: MakeRoom, recorder: Recorder) -> None:
    room = make_room(threads=2)
    room.batcher._clock.typical_s = 10.0
    recorder.gate.clear()
    room.put("a")
    room.wait_run(["a"])

    assert room.batcher.until_refill_s(time.monotonic()) == 0
    assert not room.batcher.has_long_calls


def test_urgent_job_is_started_before_those_that_wait(make_room: MakeRoom, recorder: Recorder) -> None:
    room = make_room()
    recorder.gate.clear()
    room.put("a")
    room.wait_run(["a"])
    room.put("b", "c")
    room.put("urgent", is_urgent=True)

    recorder.gate.set()

    room.wait_ended(4)
    assert recorder.batches == [["a"], ["urgent"], ["b"], ["c"]]


def test_failure_of_an_idle_process_is_told_when_the_example_was_answered(make_room: MakeRoom) -> None:
    room = make_room()
    (job,) = room.put("bad")

    room.wait_ended(1)

    assert room.recorder.calls == ["load", "run", "check"]
    assert job.outcome is not None and job.outcome.state is JobState.FAILED
    assert room.batcher.breakage is None


def test_good_job_clears_the_process_at_no_cost(make_room: MakeRoom) -> None:
    room = make_room()
    hold_first(room)
    room.put("bad 1", "good", "bad 2", "also good")
    room.recorder.gate.set()

    room.wait_ended(5)

    assert "check" not in room.recorder.calls
    assert [job.job_id for job in room.ended] == ["first", "bad 1", "good", "bad 2", "also good"]


def test_process_is_checked_after_so_many_failures_in_a_row(make_room: MakeRoom) -> None:
    room = make_room(max_failures=3)
    hold_first(room)
    room.put("bad 1", "bad 2", "bad 3", "good")
    room.recorder.gate.set()

    room.wait_ended(5)

    assert room.recorder.calls == ["load", *["run"] * 4, "check", "run"]


def test_what_a_broken_process_failed_has_no_outcome_and_what_waits_is_not_begun(make_room: MakeRoom) -> None:
    room = make_room(max_failures=3)
    room.recorder.breaks_at = "b"
    hold_first(room)
    jobs = room.put("a", "b", "c", "d", "e", "f")
    room.recorder.gate.set()

    room.wait_ended(5)
    left = room.batcher.close()

    assert [job.outcome is not None for job in jobs] == [True, False, False, False, False, False]
    assert [job.spoiled for job in jobs] == ["", *["no licence"] * 3, "", ""]
    assert [job.job_id for job in left] == ["e", "f"]
    assert room.batcher.breakage == Breakage("no licence")
    assert room.batcher.is_in_doubt
    assert room.batcher.join(60)
    assert "unload" not in room.recorder.calls


def test_suspect_is_run_only_in_a_process_that_answers_its_example(make_room: MakeRoom) -> None:
    room = make_room()
    room.recorder.wrong = "no licence"
    (job,) = room.put("j1", runs_alone=True, is_suspect=True)

    room.wait_ended(1)

    assert room.recorder.calls == ["load", "check"]
    assert (job.outcome, job.spoiled) == (None, "no licence")
    assert room.batcher.breakage == Breakage("no licence")


def test_suspect_that_breaks_a_sound_process_is_blamed(make_room: MakeRoom) -> None:
    room = make_room()
    room.recorder.breaks_at = "j1"
    hold_first(room)
    room.put("j1", runs_alone=True, is_suspect=True)
    room.put("j2")
    room.recorder.gate.set()

    room.wait_ended(2)

    assert room.recorder.calls == ["load", "run", "check", "run", "check"]
    assert room.batcher.breakage == Breakage("no licence", ("j1",))


def test_suspect_that_fails_in_a_process_which_stays_sound_fails(make_room: MakeRoom) -> None:
    room = make_room()
    (job,) = room.put("bad", runs_alone=True, is_suspect=True)

    room.wait_ended(1)

    assert room.recorder.calls == ["load", "check", "run", "check"]
    assert job.outcome is not None and not job.spoiled


def test_symptom_is_looked_into_at_once(make_room: MakeRoom) -> None:
    room = make_room()
    room.recorder.breaks_at, room.recorder.symptom = "a", "an illegal memory access was encountered"
    hold_first(room)
    room.put("a", "b")
    room.recorder.gate.set()

    room.wait_ended(2)

    assert room.recorder.batches == [["first"], ["a"]]


@pytest.mark.parametrize("symptom", ["", "the licence is lost"])
def test_without_an_example_only_a_symptom_is_believed(make_room: MakeRoom, symptom: str) -> None:
    room = make_room()
    room.recorder.has_example, room.recorder.symptom = False, symptom
    (job,) = room.put("bad")

    room.wait_ended(1)

    assert job.spoiled == symptom
    assert (room.batcher.breakage is None) is (not symptom)


def test_process_whose_example_takes_too_long_is_broken(make_room: MakeRoom) -> None:
    room = make_room(max_exec_s=5)
    room.recorder.gate.clear()
    room.put("j1", runs_alone=True, is_suspect=True)
    wait_until(lambda: room.recorder.calls[-1] == "check", "it is checked")
    began_s = time.monotonic()
    room.batcher.end_overdue_check(began_s)
    within = room.batcher.breakage
    room.batcher.end_overdue_check(began_s + 5.1)

    assert within is None
    assert room.batcher.breakage == Breakage("its example was not answered within 5 s")


def test_jobs_that_run_beside_a_check_are_kept_too(make_room: MakeRoom) -> None:
    room = make_room(threads=2)
    room.recorder.gate.clear()
    jobs = room.put("a", "b")
    wait_until(lambda: len(room.recorder.batches) == 2, "both run")
    room.recorder.wrong = "no licence"
    room.recorder.gate.set()

    room.wait_ended(2)

    assert [job.spoiled for job in jobs] == ["no licence"] * 2
    assert room.batcher.breakage == Breakage("no licence")
