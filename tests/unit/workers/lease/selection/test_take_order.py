"""Lanes: simulations of what a worker takes."""

from collections import Counter, deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from athena.jobs.queues import QueueName
from athena.protocol.enums import HIGH, LOW, NORMAL
from workers.batching.waiting_line import MAX_PASSED, Line
from workers.lease.selection.take_order import TURN, TakeOrder


class Queues:
    """Queues in memory; taken from as `take.lua` does."""

    def __init__(self, order: TakeOrder) -> None:
        self.order = order
        self.jobs = {queue: deque[int]() for queue in order.queues}

    def fill(self, queue: str, count: int) -> None:
        self.jobs[queue].extend(range(count))

    def take(self, count: int) -> list[str]:
        taken: list[str] = []
        for item in self.order.draw(count):
            goal = min(count, len(taken) + item.limit) if item.limit else count
            while len(taken) < goal and self.jobs[item.queue]:
                self.jobs[item.queue].popleft()
                taken.append(item.queue)
        self.order.note(taken)
        return taken


@pytest.fixture
def queues() -> Queues:
    return Queues(TakeOrder("ocr", "T4G16", "GPU-a"))


def lane(queue: str) -> str:
    return QueueName.parse(queue).lane


def test_worker_takes_from_its_gpu_its_type_and_any_in_all_lanes(queues: Queues) -> None:
    assert set(queues.order.queues) == {
        *("ocr.GPU-a", "ocr.T4G16", "ocr.any"),
        *("ocr.T4G16.high", "ocr.any.high", "ocr.T4G16.low", "ocr.any.low"),
    }
    assert set(queues.order.urgent_queues) == {"ocr.T4G16.high", "ocr.any.high"}
    assert TakeOrder("ocr", "cpu").queues.count("ocr.cpu") == 1


def test_high_job_is_taken_before_normal_ones_that_wait(queues: Queues) -> None:
    queues.fill("ocr.T4G16", 100)
    queues.take(30)
    queues.fill("ocr.any.high", 5)

    assert [lane(queue) for queue in queues.take(6)] == [HIGH] * 5 + [NORMAL]


@pytest.mark.parametrize("count", [1, 3, 8, 32])
def test_low_gets_its_tenth_under_a_flood(queues: Queues, count: int) -> None:
    queues.fill("ocr.T4G16", 20_000)
    queues.fill("ocr.any.low", 20_000)

    taken = Counter(lane(queue) for _ in range(2000 // count) for queue in queues.take(count))

    assert taken[LOW] / taken.total() == pytest.approx(1 / TURN, rel=0.15)


def test_nobody_starves_under_a_flood_of_high_jobs(queues: Queues) -> None:
    for queue in queues.order.queues:
        queues.fill(queue, 20_000)

    taken = Counter(lane(queue) for _ in range(2000) for queue in queues.take(1))

    assert taken[LOW] / 2000 == pytest.approx(1 / TURN, rel=0.15)
    assert taken[NORMAL] / 2000 == pytest.approx(1 / TURN, rel=0.15)


def test_lane_that_was_empty_makes_up_for_nothing(queues: Queues) -> None:
    queues.fill("ocr.T4G16", 10_000)
    queues.take(5000)
    queues.fill("ocr.any.low", 1000)

    assert Counter(lane(queue) for _ in range(20) for queue in queues.take(1))[LOW] <= 4


def test_queues_of_a_lane_take_turns(queues: Queues) -> None:
    for queue in ("ocr.GPU-a", "ocr.T4G16", "ocr.any"):
        queues.fill(queue, 1000)

    taken = Counter(queue for _ in range(300) for queue in queues.take(1))

    assert set(taken.values()) == {100}


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(1, 50)), max_size=20),
    st.lists(st.integers(1, 16), min_size=1, max_size=50),
)
def test_take_loses_nothing_and_leaves_nothing_while_slots_are_free(
    fills: list[tuple[int, int]], takes: list[int]
) -> None:
    queues = Queues(TakeOrder("ocr", "T4G16", "GPU-a"))
    for index, count in fills:
        queues.fill(queues.order.queues[index], count)

    for count in takes:
        waiting = sum(map(len, queues.jobs.values()))
        assert len(queues.take(count)) == min(count, waiting)


# the jobs that a worker holds


def line_of(*jobs: str) -> Line[str]:
    line: Line[str] = Line(lambda job: job.startswith("!"))
    for job in jobs:
        line.append(job)
    return line


def test_urgent_job_passes_those_that_wait() -> None:
    line = line_of("a", "b", "!c", "!d")

    assert [line.head, *(line.pop() for _ in range(4))] == ["!c", "!c", "!d", "a", "b"]
    assert len(line) == 0


def test_nobody_is_passed_for_ever() -> None:
    line = line_of("a", "b", *(f"!{number}" for number in range(40)))

    order = [line.pop() for _ in range(30)]

    assert (order.index("a"), order.index("b")) == (MAX_PASSED, 2 * MAX_PASSED + 1)


def test_job_can_be_taken_out_of_the_line_once() -> None:
    line = line_of("a", "!b", "c")

    assert [line.remove(job) for job in ("!b", "c", "c", "!x")] == [True, True, False, False]
    assert list(line) == ["a"]


def test_emptied_line_is_empty() -> None:
    line = line_of("a", "!b")
    assert list(line) == ["!b", "a"]

    line.clear()

    assert len(line) == 0
    with pytest.raises(IndexError):
        _ = line.head
