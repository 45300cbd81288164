"""What a worker tells Redis, asks it and takes, exchange by exchange; no Redis, no threads, no clock."""

from typing import Any

import pytest

from athena.errors import RequestError
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.message import JobMessage, make_message
from athena.jobs.record import Outcome
from athena.protocol.enums import JobState
from athena.store.lease import Draw, ForeignLimits, TakenJob
from workers.batching.jobs import BatchJob
from workers.lease.agenda import ANNOUNCE_AFTER_S, ATTEND_S, RECONCILE_S, Agenda
from workers.lease.bells import Bells
from workers.lease.held_jobs import HeldJob, HeldJobs
from workers.lease.outbox import FINISH_BYTES, Outbox
from workers.lease.selection.demand import Demand
from workers.lease.selection.slots import Slots
from workers.lease.selection.take_order import TakeOrder
from workers.lease.steps import (
    AskCanceled,
    Finish,
    GiveBack,
    LookAtHead,
    Reconcile,
    Start,
    Step,
    Take,
    Takes,
    Tell,
)

ENTRY = WorkerEntry("w1", "echo.cpu.0@host", "echo", "v1", "cpu", 4)
QUEUE = "echo.cpu"


class Desk:
    """The agenda of a worker with four slots, and all that it looks at."""

    def __init__(self) -> None:
        self.held, self.outbox = HeldJobs(), Outbox()
        self.demand = Demand(TakeOrder("echo", "cpu"), Slots(4, 1))
        takes = Takes("w1", ForeignLimits(1, 1, 1))
        self.bells = Bells("w1", self.held, self.demand, takes)
        self.agenda = Agenda(ENTRY, self.held, self.outbox, self.demand, self.bells, takes)
        self.now_s = 100.0
        self.agenda.note_reconciled(self.now_s)
        self.steps()
        self.demand.may_find_jobs = self.demand.may_find_urgent = False

    def steps(self, after_s: float = 0, may_take: bool = True) -> list[Step]:
        self.now_s += after_s
        return self.agenda.steps(self.now_s, may_take)

    def kinds(self, after_s: float = 0, may_take: bool = True) -> list[type]:
        return [type(step) for step in self.steps(after_s, may_take)]

    def hold(self, job_id: str, **given: Any) -> HeldJob:
        """Holds a job that Celery has let through."""
        self.held.add(TakenJob(job_id, f"1.1:{job_id}", QUEUE, b"{}"), self.now_s)
        job = self.held.get(job_id)
        assert job is not None
        job.work = BatchJob(job_id, message(job_id), **given)
        return job


def message(job_id: str) -> JobMessage:
    made, _ = make_message(job_id, "echo", {}, [], {}, 1)
    return made


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_idle_worker_that_found_its_queues_empty_has_nothing_to_exchange(desk: Desk) -> None:
    assert desk.steps(1) == []


def test_jobs_are_taken_when_some_may_be_there_and_threads_can_do_with_them(desk: Desk) -> None:
    desk.demand.may_find_jobs = True

    while_busy = desk.steps(may_take=False)
    [take] = desk.steps()

    assert while_busy == []
    assert isinstance(take, Take)
    assert (take.wanted, {item.queue for item in take.draw} >= {QUEUE}) == (4, True)


def test_no_two_takes_are_the_same() -> None:
    takes = Takes("w1", ForeignLimits(1, 1, 1))

    assert takes.next(1, [Draw(QUEUE)]).command != takes.next(1, [Draw(QUEUE)]).command


def test_start_is_told_of_jobs_that_go_on(desk: Desk) -> None:
    job = desk.hold("j1", is_started=True)

    at_once = desk.kinds(ANNOUNCE_AFTER_S / 2)
    later = [step for step in desk.steps(ANNOUNCE_AFTER_S) if isinstance(step, Start)]
    job.is_announced = True
    again = desk.kinds(ANNOUNCE_AFTER_S)

    assert Start not in at_once
    assert [list(step.jobs) for step in later] == [[job]]
    assert Start not in again


def test_held_jobs_are_attended_to_at_intervals(desk: Desk) -> None:
    job = desk.hold("j1")
    desk.steps(ATTEND_S)
    assert job.work is not None
    job.work.progress = 0.5

    too_soon = desk.kinds(ATTEND_S / 2)
    in_time = desk.steps(ATTEND_S)

    assert AskCanceled not in too_soon
    assert [type(step) for step in in_time] == [AskCanceled, Tell]
    assert in_time[1].command[-3:] == ("j1", "1.1:j1", "0.5")


def test_comparison_comes_before_all_others_and_names_what_goes_back(desk: Desk) -> None:
    desk.outbox.returned.append(desk.hold("back"))
    desk.held.drop(desk.outbox.returned[0])
    desk.hold("here")
    desk.demand.may_find_jobs = True

    first, *others = desk.steps(RECONCILE_S)

    assert isinstance(first, Reconcile)
    assert {"back", "here"} <= set(first.command)
    assert {GiveBack, Take} <= {type(step) for step in others}


def test_comparison_waits_while_a_take_may_be_on_its_way(desk: Desk) -> None:
    desk.bells.begin()

    waiting = desk.kinds(RECONCILE_S)
    desk.bells.end(False)
    desk.demand.may_find_jobs = False
    after = desk.kinds()

    assert Reconcile not in waiting
    assert after == [Reconcile]


def test_comparison_is_due_again_only_when_it_was_made(desk: Desk) -> None:
    made = desk.steps(RECONCILE_S)
    refused = desk.kinds()
    desk.agenda.note_reconciled(desk.now_s)
    answered = desk.kinds(RECONCILE_S / 2)

    assert [type(step) for step in made] == refused == [Reconcile]
    assert answered == []


def test_ends_are_told_in_portions_that_one_script_can_bear(desk: Desk) -> None:
    for name in "abc":
        job = desk.hold(name)
        job.outcome = Outcome(JobState.SUCCEEDED, b"x" * (FINISH_BYTES // 2))
        desk.outbox.ended.append(job)

    parts = [[job.taken.job_id for job in step.jobs] for step in desk.steps() if isinstance(step, Finish)]

    assert parts == [["a", "b"], ["c"]]


def test_each_reason_to_go_back_has_a_command_of_its_own(desk: Desk) -> None:
    plain, spoiled, newer = (desk.hold(name) for name in ("plain", "spoiled", "newer"))
    assert spoiled.work is not None
    spoiled.work.spoiled = "its context is lost"
    newer.needs_newer = "needs_newer_worker: version 2"
    desk.outbox.returned += [plain, spoiled, newer]

    steps = [step for step in desk.steps() if isinstance(step, GiveBack)]

    assert [list(step.jobs) for step in steps] == [[plain], [spoiled], [newer]]
    assert "its context is lost" in steps[1].command
    assert "needs_newer_worker: version 2" in steps[2].command


def test_what_redis_refused_is_told_again(desk: Desk) -> None:
    ended, returned = desk.hold("ended"), desk.hold("returned")
    ended.refuse(RequestError("no"))
    desk.outbox.ended.append(ended)
    desk.outbox.returned.append(returned)
    steps = desk.steps(RECONCILE_S)
    desk.outbox.clear()

    for step in steps:
        desk.outbox.keep(step)

    assert (desk.outbox.ended, desk.outbox.returned) == ([ended], [returned])
    assert desk.outbox.must_reconcile


def test_bell_that_rang_in_vain_is_passed_on_once_but_never_its_own(desk: Desk) -> None:
    desk.bells.miss("athena:bell:echo.cpu")
    desk.bells.miss(desk.bells.own)

    first, second = desk.steps(), desk.steps()

    assert [step.command for step in first] == [("LPUSH", "athena:bell:echo.cpu", 1)]
    assert second == []


def test_heads_of_queues_that_are_left_alone_are_looked_at_until_the_end(desk: Desk) -> None:
    desk.demand.holds.hold(QUEUE, "j1", desk.now_s)

    too_soon = desk.steps()
    looks = desk.steps(1)
    desk.demand.end()
    at_the_end = desk.steps(1)

    assert too_soon == at_the_end == []
    assert [(type(step), step.command) for step in looks] == [(LookAtHead, ("LINDEX", QUEUE, -1))]
