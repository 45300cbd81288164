"""Replaces processes one after the other, each when the one before serves again."""

from collections import deque
from collections.abc import Callable, Sequence

from athena.supervisor.child import Child


class RollingRestart:
    """At most one of the processes is away at a time; call `step` regularly."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._due: deque[Child] = deque()
        self._current: Child | None = None
        self._is_refused = False
        self._refusals = 0

    def begin(self, children: Sequence[Child]) -> None:
        """Plans the restart of all that are to be restarted."""
        self._due = deque(child for child in children if child.is_restartable and child.is_wanted)
        self._refusals = 0

    def step(self) -> None:
        """Goes on to the next process when the present one is back."""
        current = self._current
        if current is not None and self._is_awaited(current):
            return
        # Those that a new plan has sent away meanwhile are not replaced.
        while self._due and not self._due[0].is_wanted:
            self._due.popleft()
        if current is not None:
            self._refusals += self._is_refused or bool(current.refusal)
            self._current = None
            if not self._due:
                self._say(self._outcome())
        if self._due:
            self._current = self._due.popleft()
            self._say(f"replacing {self._current.name}")
            self._is_refused = not self._current.restart()

    def _is_awaited(self, current: Child) -> bool:
        is_expected = not self._is_refused and (current.is_needed or not current.failures)
        return is_expected and current.is_wanted and current.is_in_change

    def _outcome(self) -> str:
        if not self._refusals:
            return "all processes were replaced"
        return f"all processes were replaced but {self._refusals}, which go on as before; the log says why"


class Turn:
    """Restarts of one ability's workers: each waits until the one before serves again, or goes on as before.

    So one model more is in memory at a time; and where there is no room for that, an edit with which the
    wrapper does not load takes one of them down, and not all.
    """

    def __init__(self) -> None:
        self._last: Child | None = None

    def take(self, child: Child) -> bool:
        """Returns whether a child may be restarted now; one that does not serve need not wait."""
        last = self._last
        if child.is_ready and last is not None and last is not child and _is_awaited(last):
            return False
        self._last = child
        return True


def _is_awaited(child: Child) -> bool:
    return child.is_wanted and child.is_in_change
