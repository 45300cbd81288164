"""Where the first worker of each ability goes, so that as few abilities as possible are left without one.

A search, because no simple order of going first is right: a small worker may take the only GPU that a large
one fits on. Who can also run on the CPU is left without a GPU before others are.
"""

from collections.abc import Sequence

from athena.ability.manifest import Ability
from athena.devices.types import CPU
from athena.supervisor.placement.capacity import Room, fitting

#: How many possibilities are looked at. The supervisor plans in its only thread, between two heartbeats.
SEARCH_STEPS = 4_000

#: How many abilities stay without any worker, and how many run on the CPU for want of a GPU.
Cost = tuple[int, int]

Assignment = list[tuple[Ability, Room]]


def place_first_workers(rooms: Sequence[Room], abilities: Sequence[Ability]) -> tuple[Cost, Assignment]:
    """Returns the best assignment that was found, and what it costs; the rooms stay as they are.

    Args:
        rooms: of the host.
        abilities: those that want a place; their order decides where nothing else does.
    """
    order = sorted(abilities, key=lambda ability: _urgency(ability, len(fitting(rooms, ability))))
    search = _Search(rooms, order)
    search.go_on(0, (0, 0))
    return search.best_cost, search.best


def rank(room: Room, ability: Ability) -> tuple[bool, bool, int, int, float]:
    """Returns what sorts the rooms that an ability fits in, the best first.

    A worker stays where it is, and drives nobody away; then the ability's order of types counts.
    """
    return (
        ability.service_id not in room.former,
        bool(room.former - {ability.service_id}),
        ability.gpu.types.index(room.device.gpu_type),
        len(room.tenants),
        room.claimed,
    )


def _urgency(ability: Ability, choices: int) -> tuple[bool, int, float, int]:
    return CPU in ability.gpu.types, choices, -ability.gpu.share, -ability.gpu.memory_mb


class _Search:
    """Tries rooms for one ability after the other, the most promising first."""

    def __init__(self, rooms: Sequence[Room], order: Sequence[Ability]) -> None:
        self._rooms = rooms
        self._order = order
        self._steps = SEARCH_STEPS
        self._chosen: Assignment = []
        self._is_found = False
        self.best: Assignment = []
        self.best_cost: Cost = (0, 0)

    def go_on(self, index: int, cost: Cost) -> None:
        """Finds places for the abilities from `index` on, at the cost of those before that have none."""
        self._steps -= 1
        # The first way is gone to its end at any cost, or there would be no plan when the steps are over.
        if self._is_found and (cost >= self.best_cost or self._steps < 0):
            return
        if index == len(self._order):
            self.best, self.best_cost, self._is_found = list(self._chosen), cost, True
            return
        ability = self._order[index]
        for room in self._rooms_for(ability):
            room.take_in(ability)
            self._chosen.append((ability, room))
            self.go_on(index + 1, cost)
            self._chosen.pop()
            room.let_go()
        unserved, on_cpu = cost
        can_use_cpu = CPU in ability.gpu.types
        self.go_on(index + 1, (unserved + (not can_use_cpu), on_cpu + can_use_cpu))

    def _rooms_for(self, ability: Ability) -> list[Room]:
        """Returns the rooms that are worth a try, one of each state."""
        ranked = sorted(fitting(self._rooms, ability), key=lambda room: rank(room, ability))
        # Turned round twice: a dictionary keeps the last of one key, and that is to be the best room.
        return list({room.state: room for room in reversed(ranked)}.values())[::-1]
