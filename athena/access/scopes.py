"""What an application may do."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from athena.errors import ScopeError
from athena.protocol.enums import HIGH, LANES
from athena.protocol.paths import main_of


class Role(StrEnum):
    """Whose eyes an application has."""

    #: Runs abilities, and sees its own jobs.
    CALLER = "caller"
    #: Sees everything, and changes nothing.
    VIEWER = "viewer"
    #: Sees and does everything.
    OPERATOR = "operator"


class Right(StrEnum):
    """What a request needs before it is served."""

    RUN = "run"
    READ = "read"
    CANCEL = "cancel"


#: What callers may be given; operators have all, viewers may read.
RIGHTS = tuple(Right)

#: Lanes from the least urgent on.
_RANK = {lane: rank for rank, lane in enumerate(reversed(LANES))}


@dataclass(frozen=True)
class Scopes:
    """What an application may do.

    Attributes:
        abilities: those that it may run; None for all.
        highest_lane: the most urgent one that its jobs may take.
        gpu_id: whether its jobs may name a GPU.
        exclusive: whether they may ask for an inference call of their own (`application_mode`).
    """

    role: Role = Role.CALLER
    rights: frozenset[Right] = frozenset(Right)
    abilities: frozenset[str] | None = None
    highest_lane: str = HIGH
    gpu_id: bool = True
    exclusive: bool = True

    @property
    def sees_all(self) -> bool:
        """Whether other applications' jobs exist for it."""
        return self.role is not Role.CALLER

    def check(self, right: Right) -> None:
        """Refuses what is not given.

        Raises:
            ScopeError: the application may not do it.
        """
        if self.role is Role.OPERATOR or (self.role is Role.CALLER and right in self.rights):
            return
        if self.role is Role.VIEWER and right is Right.READ:
            return
        raise ScopeError(f"this key may not {right} jobs; its operator can change that")

    def check_ability(self, service_id: str) -> None:
        """Refuses to run an ability that is not the application's.

        Raises:
            ScopeError: it may not run it.
        """
        if not self._may_run:
            self.check(Right.RUN)
        if not self._has(service_id):
            raise ScopeError(f"this key may not run {service_id}")

    @cached_property
    def _may_run(self) -> bool:
        # Asked for each job, and members of enumerations are slow to find.
        return self.role is Role.OPERATOR or (self.role is Role.CALLER and Right.RUN in self.rights)

    def knows(self, service_id: str) -> bool:
        """Whether an ability exists for it: callers need not hear of those that they may not run."""
        return self.sees_all or self._has(service_id)

    def _has(self, service_id: str) -> bool:
        # Who may run an ability may run all of its versions: a traffic share decides which.
        return self.abilities is None or service_id in self.abilities or main_of(service_id) in self.abilities

    def check_lane(self, lane: str) -> None:
        """Refuses a lane that is too urgent.

        Raises:
            ScopeError: jobs of the application take less urgent ones.
        """
        if _RANK[lane] > _RANK[self.highest_lane]:
            raise ScopeError(f"this key may not ask for priority {lane!r}, only up to {self.highest_lane!r}")
