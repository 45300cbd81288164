"""Workers whose places others are to take, and what becomes of each: it serves until its successor does."""

from collections.abc import Collection, Iterator
from enum import Enum, auto

from athena.supervisor.worker_child import WorkerChild


class Fate(Enum):
    """What is to become of a worker and its successor.

    OPEN: the one serves, the other loads.
    TAKES_OVER: the successor has the place from now on.
    DOES_NOT_START: the worker serves on, because its successor cannot be started.
    IS_UNWANTED: nobody is to follow the worker any more.
    """

    OPEN = auto()
    TAKES_OVER = auto()
    DOES_NOT_START = auto()
    IS_UNWANTED = auto()


def fate_of(worker: WorkerChild, successor: WorkerChild, present: Collection[WorkerChild]) -> Fate:
    """Returns what is to become of both; `present` are the workers of the plan."""
    if worker.is_stopping:
        return Fate.OPEN
    if worker not in present or not worker.is_wanted:
        return Fate.IS_UNWANTED
    if not successor.is_wanted:
        return Fate.DOES_NOT_START
    # One that has died meanwhile needs nobody to wait for.
    return Fate.TAKES_OVER if successor.is_ready or not worker.is_ready else Fate.OPEN


class Successors:
    """Who loads beside whom; each worker has one successor at most."""

    def __init__(self) -> None:
        self._pairs: dict[WorkerChild, WorkerChild] = {}

    @property
    def awaited(self) -> list[WorkerChild]:
        """The workers whose successors load."""
        return list(self._pairs)

    def begin(self, worker: WorkerChild, successor: WorkerChild) -> None:
        """Lets a process load that is to take a worker's place."""
        # Nobody waits for it, and no restart replaces it, as long as another one serves.
        successor.is_successor, successor.is_needed, successor.is_restartable = True, False, False
        # Whoever looks at the log sees one worker, which is ready again.
        successor.has_served = worker.has_served
        worker.successor = self._pairs[worker] = successor

    def give_up(self, worker: WorkerChild) -> WorkerChild | None:
        """Lets nobody follow a worker; returns who was to, and has to leave."""
        worker.successor = None
        successor = self._pairs.pop(worker, None)
        if successor is not None:
            successor.retire()
        return successor

    def decided(self, present: Collection[WorkerChild]) -> Iterator[tuple[Fate, WorkerChild, WorkerChild]]:
        """Yields those of whom it is decided what becomes, once; who has to leave was told so."""
        for worker, successor in list(self._pairs.items()):
            fate = fate_of(worker, successor, present)
            if fate is Fate.OPEN:
                continue
            if fate is Fate.TAKES_OVER:
                worker.successor = None
                del self._pairs[worker]
                successor.succeed()
                worker.retire()
            else:
                worker.refusal = successor.trouble if fate is Fate.DOES_NOT_START else ""
                self.give_up(worker)
            yield fate, worker, successor
