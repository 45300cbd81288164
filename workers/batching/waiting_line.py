"""The jobs that a worker holds and has not started yet, in the order in which they start. Pure."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

#: So many urgent jobs in a row may pass the others; then one of the others is next.
MAX_PASSED = 9


class Line(Generic[T]):
    """Urgent jobs first, each kind in the order of its arrival; the others are not passed for ever.

    Args:
        is_urgent: tells whether a job is of the high lane.
    """

    def __init__(self, is_urgent: Callable[[T], bool]) -> None:
        self._is_urgent = is_urgent
        self._urgent: deque[T] = deque()
        self._others: deque[T] = deque()
        self._passed = 0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def __iter__(self) -> Iterator[T]:
        yield from self._urgent
        yield from self._others

    def append(self, job: T) -> None:
        """Puts a job at the end of its part of the line."""
        (self._urgent if self._is_urgent(job) else self._others).append(job)

    @property
    def head(self) -> T:
        """The job that starts next.

        Raises:
            IndexError: there is none.
        """
        return self._next[0]

    def pop(self) -> T:
        """Takes the job out that starts next.

        Raises:
            IndexError: there is none.
        """
        queue = self._next
        job = queue.popleft()
        # Counted only while others wait: those who come later were not passed.
        self._passed = self._passed + 1 if queue is self._urgent and self._others else 0
        return job

    def remove(self, job: T) -> bool:
        """Takes a certain job out; returns whether it was there."""
        queue = self._urgent if self._is_urgent(job) else self._others
        try:
            queue.remove(job)
        except ValueError:
            return False
        return True

    def clear(self) -> None:
        """Takes all jobs out."""
        self._urgent.clear()
        self._others.clear()

    @property
    def _next(self) -> deque[T]:
        if self._urgent and (not self._others or self._passed < MAX_PASSED):
            return self._urgent
        return self._others
