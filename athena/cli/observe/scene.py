"""What `athena top` shows: the last two looks, and what has come up since it began."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from athena.jobs.record import JobRecord
from athena.operations.overview import Overview
from athena.operations.rates import Pulse, bad_ends


@dataclass
class Scene:
    """What a picture shows.

    Attributes:
        address: of Redis, without its password.
        version: of this Athena.
        before: the look before the last one, None if there is none yet.
        now: the last one, None if Redis has not answered yet.
        pulse: of the workers, over all looks.
        troubles: jobs that ended badly, the last one first.
        problem: why Redis does not answer; "" if it does.
        silent_s: how long it has not.
    """

    address: str
    version: str
    before: Overview | None = None
    now: Overview | None = None
    pulse: Pulse = field(default_factory=Pulse)
    troubles: Sequence[JobRecord] = ()
    problem: str = ""
    silent_s: float = 0.0
    _silent_since_s: float | None = None

    def take_in(self, now: Overview) -> None:
        """Takes in a look at Redis."""
        # Rates over the time of an outage are those of the whole time, and true.
        self.before, self.now = self.now, now
        self.pulse.look(now)
        self.problem, self.silent_s, self._silent_since_s = "", 0.0, None

    def miss(self, problem: str, now_s: float) -> None:
        """Notes that Redis did not answer; `now_s` is a monotonic clock."""
        since_s = now_s if self._silent_since_s is None else self._silent_since_s
        self._silent_since_s = since_s
        self.problem, self.silent_s = problem, now_s - since_s

    @property
    def has_new_troubles(self) -> bool:
        """Whether jobs have ended badly between the last two looks, or it is not known."""
        if self.before is None or self.now is None:
            return True
        return bad_ends(self.now) != bad_ends(self.before)
