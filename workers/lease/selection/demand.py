"""How many jobs a worker wants at a moment, and from which queues. Pure.

What it knows of the queues comes from bells and from what it took last: whoever has just found them empty
does not ask again before a bell rings.
"""

from collections.abc import Sequence

from athena.store.lease import Draw
from workers.lease.selection.queue_holds import QueueHolds
from workers.lease.selection.slots import Slots
from workers.lease.selection.take_order import TakeOrder


class Demand:
    """The wants of one worker.

    Attributes:
        may_find_jobs: whether a queue may hold a job; if not, a bell tells when it does.
        may_find_urgent: the same of the high lane; asked only while no slot is free.
        hears_urgent_only: whether the transport waits for the bells of urgent queues alone.
        holds: queues that it wants nothing of.
    """

    def __init__(self, order: TakeOrder, slots: Slots) -> None:
        self._order = order
        self._slots = slots
        self.holds = QueueHolds()
        self.may_find_jobs = True
        self.may_find_urgent = True
        self.hears_urgent_only = False

    @property
    def queues(self) -> Sequence[str]:
        """All queues that the worker takes from."""
        return self._order.queues

    @property
    def urgent_queues(self) -> Sequence[str]:
        """Those of the high lane."""
        return self._order.urgent_queues

    def free(self, held: int, held_urgent: int) -> int:
        """Returns how many more jobs of any lane may be taken."""
        return self._slots.free(held, held_urgent)

    def free_urgent(self, held: int) -> int:
        """Returns how many more jobs of the high lane may be taken."""
        return self._slots.free_urgent(held)

    def wanted(self, held: int, held_urgent: int) -> tuple[int, list[Draw]]:
        """Returns how many jobs to ask for, and from which queues."""
        if self.free(held, held_urgent) > 0:
            wanted = self.wanted_at_bell(held, held_urgent) if self.may_find_jobs else (0, [])
            # Who may take from no queue finds nothing, and waits for the bell that only it hears.
            self.may_find_jobs = wanted[0] > 0
            return wanted
        urgent = self.free_urgent(held)
        if urgent > 0 and self.may_find_urgent:
            draw = self._open(self._order.draw_urgent())
            self.may_find_urgent = bool(draw)
            return (urgent, draw) if draw else (0, [])
        return 0, []

    def wanted_at_bell(self, held: int, held_urgent: int) -> tuple[int, list[Draw]]:
        """Returns how many jobs to take as soon as a bell rings, and from which queues."""
        free = self.free(held, held_urgent)
        draw = self._open(self._order.draw(free)) if free > 0 else []
        return (free, draw) if draw else (0, [])

    def _open(self, draw: list[Draw]) -> list[Draw]:
        return [item for item in draw if item.queue not in self.holds]

    def begin_to_hear(self, held: int, held_urgent: int) -> Sequence[str]:
        """Notes that a wait for bells begins; returns the queues whose bells are to be heard."""
        self.hears_urgent_only = self.free(held, held_urgent) <= 0
        queues = self.urgent_queues if self.hears_urgent_only else self.queues
        # Their bells are for those who can do something about it.
        return [queue for queue in queues if queue not in self.holds]

    def hear(self, has_rung: bool) -> None:
        """Notes that a bell rang, or that none did in time: sometimes queues are looked into without one."""
        self.may_find_urgent = self.may_find_urgent or has_rung
        self.may_find_jobs = self.may_find_jobs or not self.hears_urgent_only
        self.hears_urgent_only = False

    def note(self, wanted: int, draw: Sequence[Draw], taken: Sequence[str]) -> None:
        """Notes from which queues jobs came when so many were asked for."""
        due = sum(item.limit for item in draw)
        others = sum(queue not in self.urgent_queues for queue in taken)
        # Jobs of other lanes, but for those whose turn it was, are taken when the high lane is empty.
        self.may_find_urgent = len(taken) == wanted and others <= due
        if not self.is_urgent_only(draw):
            self.may_find_jobs = len(taken) == wanted
        self._order.note(taken)

    def release(self, queue: str) -> None:
        """Wants jobs of a queue again that was held."""
        self.holds.release(queue)
        self.may_find_jobs = self.may_find_urgent = True

    def note_returned(self) -> None:
        """Notes that a job went back to its queue, so that one is there."""
        self.may_find_jobs = self.may_find_urgent = True

    def is_urgent_only(self, draw: Sequence[Draw]) -> bool:
        """Whether only queues of the high lane were asked, though it takes from others too."""
        if any(item.queue not in self.urgent_queues for item in draw):
            return False
        return any(queue not in self.urgent_queues and queue not in self.holds for queue in self.queues)

    def forget(self) -> None:
        """Knows nothing of the queues any more: the connection is a new one."""
        self.may_find_jobs = self.may_find_urgent = True
        self.hears_urgent_only = False

    def end(self) -> None:
        """Wants nothing any more, and looks at no queue."""
        self.may_find_jobs = self.may_find_urgent = False
        self.holds.clear()
