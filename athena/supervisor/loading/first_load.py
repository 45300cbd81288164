"""Lets the first worker of an ability load alone.

Packages fetch models and fill caches then, and few of them reckon with a neighbour who does the same.
"""

from collections.abc import Callable

from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.child import Child
from athena.supervisor.loading.load_marks import NO_LOCK, LoadMarks, mark_of


class FirstLoad:
    """Whose turn it is among the workers of one ability on this host; once one serves, all may load.

    Args:
        reading: the ability.
        marks: of the host; other supervisors there know them too.
        patience_s: how long a worker waits for another one before it loads all the same.
        say: tells the operator.
    """

    def __init__(
        self,
        reading: AbilityReading,
        marks: LoadMarks,
        patience_s: float = 0.0,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._reading = reading
        self._marks = marks
        self._patience_s = patience_s
        self._say = say
        self._loader: Child | None = None
        self._lock = NO_LOCK
        #: What each of those loads who may.
        self._loading: dict[Child, str] = {}
        #: Since when each of those waits who were told to.
        self._waiting_s: dict[Child, float] = {}

    def may_begin(self, child: Child, now_s: float) -> bool:
        """Whether a child may load now; if so, it is taken to do that."""
        if self._loader is not None and _is_over(self._loader):
            self._let_go()
        name = mark_of(self._reading.ability)
        if not self._marks.has(name) and not self._takes_turn(child, name) and self._waits(child, now_s):
            return False
        self._waiting_s.pop(child, None)
        self._loading[child] = name
        return True

    def note_served(self, child: Child) -> None:
        """Notes that a child has loaded, so that the others may."""
        name = self._loading.get(child)
        if name is not None:
            self._marks.add(name, self._lock if child is self._loader else NO_LOCK)
        self.note_end(child)

    def note_end(self, child: Child) -> None:
        """Notes that a child does not load any more."""
        self._loading.pop(child, None)
        if child is self._loader:
            self._let_go()

    def _waits(self, child: Child, now_s: float) -> bool:
        if not self._waiting_s:
            service_id = self._reading.ability.service_id
            self._say(f"further workers of {service_id} wait until the first one on this host has loaded it")
        return now_s - self._waiting_s.setdefault(child, now_s) < self._patience_s

    def _takes_turn(self, child: Child, name: str) -> bool:
        if self._loader is None:
            lock = self._marks.lock(name)
            if lock is not None:
                self._loader, self._lock = child, lock
        return self._loader is child

    def _let_go(self) -> None:
        self._marks.unlock(self._lock)
        self._loader, self._lock = None, NO_LOCK


def _is_over(loader: Child) -> bool:
    """Whether a loader has ended; while all start, nobody waits yet for one that has."""
    return loader.process is not None and loader.exit_status() is not None
