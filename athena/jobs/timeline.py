"""What happened to a job, and when: from its record. Pure."""

from collections.abc import Iterator
from typing import Any, NamedTuple

#: What became of an attempt that came to nothing, as the scripts write it -> in words of the timeline.
_ENDS = {
    "died": "worker_died",
    "broke": "worker_broken",
    "overran": "overran",
    "failed": "call_failed",
    "returned": "returned",
}

_PARTS_OF_PAST = 6


class Event(NamedTuple):
    """Something that happened to a job.

    Attributes:
        at_ms: when, in milliseconds since 1970 on Redis' clock.
        event: submitted, taken, started; how an attempt came to nothing: worker_died, worker_broken, overran,
            call_failed, returned (not begun); at last the job's final state.
        attempt: which attempt, from 1 on; 0 for what concerns none.
        worker: whose; "" where it is not known.
        detail: why.
    """

    at_ms: int
    event: str
    attempt: int = 0
    worker: str = ""
    detail: str = ""

    def describe(self) -> dict[str, Any]:
        """Returns it for callers and operators."""
        return {
            "at_ms": self.at_ms,
            "event": self.event,
            "attempt": self.attempt or None,
            "worker": self.worker or None,
            "detail": self.detail or None,
        }


class Take(NamedTuple):
    """What a token says before its holder's name: `attempt.number.milliseconds`; 0 for what is not known."""

    attempt: int
    taken_ms: int

    @classmethod
    def of(cls, text: str) -> "Take":
        """Reads it; tokens of older versions have no time."""
        attempt, _, rest = text.partition(".")
        taken_ms = rest.partition(".")[2]
        return cls(*(int(part) if part.isdecimal() else 0 for part in (attempt, taken_ms)))


def past_events(past: str) -> Iterator[Event]:
    """Reads the attempts that came to nothing, one in each line (`athena/store/lua/lib/past.lua`)."""
    for line in past.split("\n"):
        parts = line.split("\t")
        if len(parts) == _PARTS_OF_PAST:
            yield from _attempt(*parts)


def _attempt(
    take: str, started_ms: str, ended_ms: str, what: str, worker: str, reason: str
) -> Iterator[Event]:
    yield from beginning(take, int(started_ms or 0), worker)
    yield Event(int(ended_ms), _ENDS.get(what, what), Take.of(take).attempt, worker, reason)


def beginning(take: str, started_ms: int, worker: str) -> Iterator[Event]:
    """Returns what an attempt begins with, as far as it is known."""
    attempt, taken_ms = Take.of(take)
    if taken_ms:
        yield Event(taken_ms, "taken", attempt, worker)
    if started_ms:
        # Where a job has told its start with its end, it was computed from how long its call took.
        yield Event(max(started_ms, taken_ms), "started", attempt, worker)


def told_takes(past: str) -> set[str]:
    """Returns the takes whose attempts came to nothing."""
    return {line.partition("\t")[0] for line in past.split("\n")}
