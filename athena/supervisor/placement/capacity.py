"""What is left of a device while a plan is made, and whether one more worker fits on it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from athena.ability.manifest import ROUNDING, Ability
from athena.devices.inventory import GpuDevice


@dataclass
class Room:
    """A device and who has a place on it.

    Attributes:
        tenants: the ability of each worker, in the order in which they came.
        former: abilities whose workers are on it while the plan is made.
    """

    device: GpuDevice
    tenants: list[Ability] = field(default_factory=list)
    former: frozenset[str] = frozenset()

    @property
    def claimed(self) -> float:
        """The part of it that is claimed."""
        return sum(ability.gpu.share for ability in self.tenants)

    @property
    def free_mib(self) -> int:
        """Memory that nobody was promised."""
        return self.device.memory_free_mib - sum(self.memory_mb(ability) for ability in self.tenants)

    @property
    def has_known_memory(self) -> bool:
        """Whether the driver tells how much it has."""
        return self.device.memory_total_mib > 0

    def count(self, ability: Ability) -> int:
        """Returns how many workers of an ability are on it."""
        return sum(tenant.service_id == ability.service_id for tenant in self.tenants)

    def memory_mb(self, ability: Ability) -> int:
        """Returns the memory that a worker may use here; 0 for all."""
        return ability.gpu.memory_mb or int(ability.gpu.share * self.device.memory_free_mib)

    def is_of_type(self, ability: Ability) -> bool:
        """Whether an ability runs on such devices."""
        return self.device.gpu_type in ability.gpu.types

    def could_take(self, ability: Ability) -> bool:
        """Whether an ability can have a worker here while nobody else is."""
        return self.is_of_type(ability) and not Room(self.device).obstacle(ability)

    def fits(self, ability: Ability) -> bool:
        """Whether one more worker of an ability is to be here."""
        return (
            self.is_of_type(ability)
            and self.count(ability) < ability.gpu.workers_per_gpu
            and not self.obstacle(ability)
        )

    def obstacle(self, ability: Ability) -> str:
        """Returns why one more worker of an ability does not fit; "" if it does."""
        return self.device.problem or self._lack_of_share(ability) or self._lack_of_memory(ability)

    def take_in(self, ability: Ability) -> int:
        """Gives a worker a place; returns its number among those of its ability, from 0."""
        ordinal = self.count(ability)
        self.tenants.append(ability)
        return ordinal

    def let_go(self) -> None:
        """Takes the place of the worker that came last back."""
        self.tenants.pop()

    @property
    def state(self) -> tuple[object, ...]:
        """Two rooms of one state are as good as each other."""
        tenants = tuple(sorted(tenant.service_id for tenant in self.tenants))
        return self.device.gpu_type, self.device.memory_total_mib, self.free_mib, tenants, self.former

    def _lack_of_share(self, ability: Ability) -> str:
        share, claimed = ability.gpu.share, self.claimed
        others = [tenant for tenant in self.tenants if tenant.service_id != ability.service_id]
        # Asked of those who claim nothing as well: they share any GPU but one that is another's alone.
        if any(tenant.gpu.share >= 1 for tenant in others):
            return "other workers have claimed it for themselves"
        if share and claimed + share > 1 + ROUNDING:
            return f"{1 - claimed:.0%} of it is unclaimed, a worker claims {share:.0%}"
        if share >= 1 and others:
            return "a worker claims all of it, and others are on it"
        return ""

    def _lack_of_memory(self, ability: Ability) -> str:
        if not self.has_known_memory:
            if ability.gpu.memory_mb and any(tenant.gpu.memory_mb for tenant in self.tenants):
                return "the driver does not tell its memory, and a worker that needs some is on it"
            return ""
        needed_mb = self.memory_mb(ability)
        if needed_mb > self.free_mib:
            return (
                f"{self.free_mib} MiB of {self.device.memory_total_mib} are free, a worker needs {needed_mb}"
            )
        return ""

    def __str__(self) -> str:
        return f"GPU {self.device.label} ({self.device.gpu_type})"


def fitting(rooms: Iterable[Room], ability: Ability) -> list[Room]:
    """Returns the rooms that one more worker of an ability fits in."""
    return [room for room in rooms if room.fits(ability)]
