"""How many jobs a worker may hold."""

from hypothesis import given
from hypothesis import strategies as st

from workers.lease.selection.slots import Slots

small = st.integers(0, 20)


def test_urgent_jobs_fill_their_own_slots_first() -> None:
    slots = Slots(8, 4)

    assert slots.free(held=0, held_urgent=0) == 8
    assert slots.free(held=4, held_urgent=4) == 8
    assert slots.free(held=6, held_urgent=6) == 6
    assert slots.free(held=8, held_urgent=0) == 0
    assert slots.free_urgent(held=8) == 4


@given(st.integers(1, 20), small, small, small)
def test_whoever_may_take_any_job_may_take_an_urgent_one(
    shared: int, own: int, urgent: int, others: int
) -> None:
    slots = Slots(shared, own)

    assert slots.free(urgent + others, urgent) <= slots.free_urgent(urgent + others)
