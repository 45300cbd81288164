"""What a worker wants, from what it knows of its queues."""

import pytest

from workers.lease.selection.demand import Demand
from workers.lease.selection.slots import Slots
from workers.lease.selection.take_order import TakeOrder

FULL = 4


@pytest.fixture
def demand() -> Demand:
    return Demand(TakeOrder("echo", "cpu"), Slots(shared=FULL, urgent=1))


def test_free_worker_asks_all_queues_for_as_many_as_it_has_slots(demand: Demand) -> None:
    wanted, draw = demand.wanted(1, 0)

    assert wanted == FULL - 1
    assert {item.queue for item in draw} == set(demand.queues)


def test_full_worker_asks_for_urgent_jobs_alone(demand: Demand) -> None:
    wanted, draw = demand.wanted(FULL, 0)

    assert wanted == 1
    assert {item.queue for item in draw} == {"echo.cpu.high", "echo.any.high"}
    assert demand.is_urgent_only(draw)
    assert demand.wanted(FULL + 1, 1) == (0, [])


def test_who_found_the_queues_empty_asks_again_after_a_bell(demand: Demand) -> None:
    wanted, draw = demand.wanted(0, 0)
    demand.note(wanted, draw, ["echo.cpu"])

    assert demand.wanted(1, 0) == (0, [])
    demand.hear(True)
    assert demand.wanted(1, 0)[0] == FULL - 1


def test_who_found_as_many_as_it_wanted_asks_again(demand: Demand) -> None:
    wanted, draw = demand.wanted(0, 0)
    demand.note(wanted, draw, ["echo.cpu"] * FULL)

    assert demand.may_find_jobs
    assert not demand.may_find_urgent


def test_full_worker_hears_urgent_bells_alone(demand: Demand) -> None:
    assert set(demand.begin_to_hear(0, 0)) == set(demand.queues)
    assert not demand.hears_urgent_only

    assert set(demand.begin_to_hear(FULL, 0)) == set(demand.urgent_queues)
    assert demand.hears_urgent_only


def test_wait_for_urgent_bells_that_nobody_ended_is_no_reason_to_look(demand: Demand) -> None:
    demand.end()
    demand.begin_to_hear(FULL, 0)
    demand.hear(False)
    assert (demand.may_find_urgent, demand.may_find_jobs) == (False, False)

    demand.hear(False)
    assert (demand.may_find_urgent, demand.may_find_jobs) == (False, True)

    demand.begin_to_hear(FULL, 0)
    demand.hear(True)
    assert demand.may_find_urgent


def test_new_connection_makes_it_look_everywhere(demand: Demand) -> None:
    demand.end()
    demand.begin_to_hear(FULL, 0)

    demand.forget()

    assert demand.may_find_jobs
    assert demand.may_find_urgent
    assert not demand.hears_urgent_only


def test_bell_brings_as_many_jobs_as_there_are_slots(demand: Demand) -> None:
    demand.end()

    wanted, draw = demand.wanted_at_bell(1, 0)

    assert wanted == FULL - 1
    assert {item.queue for item in draw} == set(demand.queues)
    assert demand.wanted_at_bell(FULL, 0) == (0, [])


def test_held_queue_is_neither_asked_nor_heard_until_it_is_let_go(demand: Demand) -> None:
    wanted, draw = demand.wanted(0, 0)
    demand.note(wanted, draw, [])
    demand.holds.hold("echo.any", "j1", 0)

    assert "echo.any" not in demand.begin_to_hear(0, 0)
    demand.hear(True)
    assert "echo.any" not in {item.queue for item in demand.wanted(0, 0)[1]}

    demand.note(*demand.wanted(0, 0), [])
    demand.release("echo.any")
    assert "echo.any" in {item.queue for item in demand.wanted(0, 0)[1]}
    assert "echo.any" in demand.begin_to_hear(0, 0)


def test_worker_of_held_queues_alone_wants_nothing_and_may_wait(demand: Demand) -> None:
    for queue in demand.queues:
        demand.holds.hold(queue, "j1", 0)

    assert demand.wanted(0, 0) == (0, [])
    assert demand.wanted(FULL, 0) == (0, [])
    assert not (demand.may_find_jobs or demand.may_find_urgent)
    assert demand.begin_to_hear(0, 0) == []


def test_worker_whose_only_open_queues_are_urgent_notes_that_they_are_empty(demand: Demand) -> None:
    for queue in set(demand.queues) - set(demand.urgent_queues):
        demand.holds.hold(queue, "j1", 0)

    wanted, draw = demand.wanted(0, 0)
    demand.note(wanted, draw, [])

    assert wanted == FULL
    assert not demand.may_find_jobs
