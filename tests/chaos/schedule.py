"""Which fault is made when: a pure function of a seed, so that a run can be made again."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.chaos.traits import Trait


@dataclass(frozen=True)
class Planned:
    """One fault of a run.

    Attributes:
        at_s: when it begins, from the beginning of the run.
        seed: of what it draws itself: which host, how long.
    """

    number: int
    at_s: float
    name: str
    seed: int

    def __str__(self) -> str:
        return f"{self.at_s:7.1f} s  {self.name}"


def schedule(
    seed: int, traits: Mapping[str, Trait], span_s: float, pause_s: float, overlap: int
) -> list[Planned]:
    """Draws the faults of a run, each kind about as often as the others.

    Their times are drawn on their own, and not from when the last one was whole again: up to `overlap` go
    on at once, where their traits allow it. A fault that may not begin at its time leaves it to another.

    Args:
        seed: the same one draws the same faults at the same times.
        traits: the kinds of faults to draw from.
        span_s: how long faults begin.
        pause_s: between the beginnings of two, at most.
        overlap: how many may go on at once.
    """
    dice = random.Random(seed)
    plan: list[Planned] = []
    bag: list[str] = []
    at_s = 0.0
    while True:
        at_s += dice.uniform(0, pause_s)
        if not bag:
            bag = dice.sample(sorted(traits), len(traits))
        going_on = [one for one in plan if one.at_s + traits[one.name].lasts_s > at_s]
        name = _next(bag, going_on, traits) if len(going_on) < overlap else None
        if at_s >= span_s:
            return plan
        if name is not None:
            bag.remove(name)
            plan.append(Planned(len(plan), at_s, name, dice.randrange(2**32)))
        elif pause_s <= 0:
            at_s = min(one.at_s + traits[one.name].lasts_s for one in going_on)


def _next(bag: Sequence[str], going_on: Sequence[Planned], traits: Mapping[str, Trait]) -> str | None:
    """Returns the first fault in the bag that may go on beside others."""
    for name in bag:
        if not any(traits[name].excludes(traits[other.name]) for other in going_on):
            return name
    return None
