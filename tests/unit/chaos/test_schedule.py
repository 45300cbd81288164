"""Which faults a seed draws, and which of them go on at once."""

from collections import Counter

import pytest

from tests.chaos.schedule import Planned, schedule
from tests.chaos.traits import TRAITS

SPAN_S = 1200.0


def draw(seed: int = 7, overlap: int = 3, pause_s: float = 4.0, span_s: float = SPAN_S) -> list[Planned]:
    """Returns the faults of 20 minutes."""
    return schedule(seed, TRAITS, span_s, pause_s, overlap)


def beside(plan: list[Planned], one: Planned) -> list[Planned]:
    """Returns the faults that go on when another begins."""
    return [
        other
        for other in plan
        if other.number < one.number and other.at_s + TRAITS[other.name].lasts_s > one.at_s
    ]


@pytest.mark.parametrize("overlap", [1, 3])
def test_same_seed_draws_the_same_faults_at_the_same_times(overlap: int) -> None:
    assert draw(overlap=overlap) == draw(overlap=overlap)
    assert draw(8, overlap) != draw(7, overlap)


def test_longer_run_begins_like_a_shorter_one() -> None:
    short = draw(span_s=300)

    assert short == draw()[: len(short)]


@pytest.mark.parametrize("overlap", [1, 2, 4])
def test_no_more_faults_go_on_at_once_than_may(overlap: int) -> None:
    plan = draw(overlap=overlap, pause_s=2)

    assert max(len(beside(plan, one)) for one in plan) == overlap - 1


def test_faults_that_exclude_each_other_do_not_overlap() -> None:
    plan = draw(overlap=5, pause_s=1)

    for one in plan:
        for other in beside(plan, one):
            assert not TRAITS[one.name].excludes(TRAITS[other.name]), (one, other)


@pytest.mark.parametrize("overlap", [1, 3])
def test_each_kind_is_drawn_about_as_often_as_the_others(overlap: int) -> None:
    counts = Counter(one.name for one in draw(overlap=overlap))

    assert set(counts) == set(TRAITS)
    assert max(counts.values()) - min(counts.values()) <= 2, counts


def test_without_pauses_a_fault_begins_when_another_has_ended() -> None:
    plan = draw(overlap=1, pause_s=0, span_s=60)

    ends_s = [one.at_s + TRAITS[one.name].lasts_s for one in plan]
    assert [one.at_s for one in plan] == [0.0, *ends_s[:-1]]
