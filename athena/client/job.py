"""One job, as a gateway tells of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: States in which a job still comes to something.
_OPEN = ("queued", "running")

SUCCEEDED = "succeeded"


@dataclass(frozen=True)
class Job:
    """One job.

    Attributes:
        id: the gateway's name of it.
        service_id: its ability.
        state: `queued`, `running`, or how it has ended (docs/protocol.md, 2).
        request_id: the caller's own name of it; "" for none.
        reason: why it does not run yet; "" where there is no reason.
        position: about how far it is from the head of its queue; None where that is not known.
        progress: how far it is, from 0 to 1, where its wrapper tells; else None.
        code: why it came to nothing; 0 where it did not, or has not ended.
        message: the same in words.
        timeline: what has happened to it; empty in lists.
        described: all that the gateway says of it.
    """

    id: str
    service_id: str
    state: str
    request_id: str = ""
    reason: str = ""
    position: int | None = None
    progress: float | None = None
    code: int = 0
    message: str = ""
    timeline: tuple[Mapping[str, Any], ...] = ()
    described: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> "Job":
        """Reads what a gateway says of a job; what a later one says besides stays in `described`."""
        return cls(
            id=str(described["id"]),
            service_id=str(described["service_id"]),
            state=str(described["state"]),
            request_id=described.get("request_id") or "",
            reason=described.get("reason") or "",
            position=described.get("position"),
            progress=described.get("progress"),
            code=described.get("code") or 0,
            message=described.get("message") or "",
            timeline=tuple(described.get("timeline") or ()),
            described=described,
        )

    @property
    def has_ended(self) -> bool:
        """Whether nothing changes any more."""
        return self.state not in _OPEN

    @property
    def has_succeeded(self) -> bool:
        """Whether it has outputs."""
        return self.state == SUCCEEDED


class Trail:
    """What of a job's timeline was not told yet."""

    def __init__(self) -> None:
        self._told: set[tuple[Any, ...]] = set()

    def news(self, job: Job) -> list[Mapping[str, Any]]:
        """Returns the events that were not there the last time.

        A gateway keeps the last 20 attempts, so places in the list shift; and that a job was taken is told
        before it is known by whom.
        """
        found = []
        for event in job.timeline:
            name = tuple(event.get(part) for part in ("at_ms", "event", "attempt"))
            if name not in self._told:
                self._told.add(name)
                found.append(event)
        return found
