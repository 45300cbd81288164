"""The bells that a worker hears while it waits, and the take that waits behind them. Pure."""

from collections.abc import Iterator

from athena.store.keys import bell_key
from athena.store.scripts import Command
from workers.lease.held_jobs import HeldJobs
from workers.lease.selection.demand import Demand
from workers.lease.steps import Take, Takes, Tell

#: The bell by which a worker ends its own wait is gone after so long; nobody may hear it any more.
OWN_BELL_TTL_S = 5


class Bells:
    """The waits of one worker, one after the other.

    Attributes:
        own: key of the bell that only this worker hears.
        awaited: the take that the present wait brings along; Redis may count its jobs as held here already.
    """

    def __init__(self, incarnation: str, held: HeldJobs, demand: Demand, takes: Takes) -> None:
        self.own = bell_key(incarnation)
        self.awaited: Take | None = None
        self._held = held
        self._demand = demand
        self._takes = takes
        #: Bells that rang here while no job is wanted; somebody else may be idle.
        self._missed: list[str] = []

    def begin(self) -> tuple[list[str], Take | None]:
        """Returns the bells that a wait which begins now is to hear, and the take behind them."""
        counts = self._held.open_counts()
        bells = [*map(bell_key, self._demand.begin_to_hear(*counts)), self.own]
        wanted, draw = self._demand.wanted_at_bell(*counts)
        self.awaited = self._takes.next(wanted, draw) if wanted else None
        return bells, self.awaited

    def end(self, has_rung: bool) -> Take | None:
        """Notes that the wait is over; returns the take that it brought along."""
        awaited, self.awaited = self.awaited, None
        self._demand.hear(has_rung)
        return awaited

    def miss(self, bell: str) -> None:
        """Leaves a bell that rang here to others."""
        if bell != self.own:
            self._missed.append(bell)

    def pass_on(self) -> Iterator[Tell]:
        """Rings again what rang here in vain; once, as a bell that is lost costs a second, and no job."""
        missed, self._missed = self._missed, []
        for bell in missed:
            yield Tell(("LPUSH", bell, 1), "pass a bell on")

    def ring_own(self) -> list[Command]:
        """Returns what ends this worker's own wait."""
        return [("LPUSH", self.own, 1), ("EXPIRE", self.own, OWN_BELL_TTL_S)]
