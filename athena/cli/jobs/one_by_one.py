"""What is done of several things, each for itself: one that cannot be done keeps the others from nothing."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from athena.errors import AthenaError, StoreError


@dataclass
class Outcome:
    """What was done and what was not.

    Attributes:
        done: name -> what came of it.
        refused: why the others could not be done.
    """

    done: dict[str, str] = field(default_factory=dict)
    refused: list[AthenaError] = field(default_factory=list)

    def show(self, shown: Callable[[], None]) -> None:
        """Shows what was done, before anything is said of what was not.

        Raises:
            AthenaError: something was not; the last of these, the others are printed.
        """
        if self.done or not self.refused:
            shown()
        for error in self.refused[:-1]:
            print(f"athena: {error}", file=sys.stderr)
        if self.refused:
            raise self.refused[-1]


def one_by_one(
    names: Iterable[str], step: Callable[[str], str], away: type[AthenaError] = StoreError
) -> Outcome:
    """Takes a step for each name.

    Args:
        names: of what; one that is named twice is done once.
        step: does it, and returns what came of it.
        away: is raised where nobody answers: what follows is not tried.
    """
    outcome = Outcome()
    for name in dict.fromkeys(names):
        try:
            outcome.done[name] = step(name)
        except AthenaError as error:
            outcome.refused.append(error)
            if isinstance(error, away):
                break
    return outcome
