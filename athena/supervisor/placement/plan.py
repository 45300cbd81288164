"""Which worker processes a host starts: a pure function of its GPUs, its cores and its abilities.

The rules:

- An ability gets workers on every GPU of the types that it names, `gpu.workers_per_gpu` on each, as long as
  memory (`gpu.memory_mb`) and share (`gpu.share`) fit.
- No ability is left without a worker if there is a way to give each one (`search.py`). What is
  left is given out in rounds, and the ability with the fewest GPUs to choose from comes first.
- A worker goes to the GPU of the type that its ability names first; among those of one type, to the one with
  the fewest workers.
- A worker that runs stays where it is, unless an ability would be without a GPU for it.
- Workers on the CPU are started for abilities whose types hold `cpu`, if they got no GPU or name `cpu` first.
  They divide the cores among themselves.
- What cannot be placed is refused, with the reason of each GPU that came into question.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from athena.ability.manifest import Ability
from athena.devices.inventory import GpuDevice, Inventory, devices_of, label_key
from athena.devices.types import CPU
from athena.supervisor.placement.capacity import Room, fitting
from athena.supervisor.placement.search import place_first_workers, rank


@dataclass(frozen=True)
class Placement:
    """One worker process that is to be.

    Attributes:
        gpu_id: UUID of its GPU or MIG instance; "" on the CPU.
        label: the place of its GPU on the host, such as "3" or "3m1"; on the CPU "0", "1", …
        ordinal: counts the workers of one ability on one GPU, from 0.
        memory_limit_mb: GPU memory that it may use, in MiB; 0 for all.
        threads: for one inference on the CPU; for a worker on a GPU, should that turn out to be of no use.
        peers: how many processes of its ability compute on this host's CPU, itself among them; 0 on a GPU.
    """

    service_id: str
    gpu_type: str
    gpu_id: str = ""
    label: str = "0"
    ordinal: int = 0
    memory_limit_mb: int = 0
    threads: int = 0
    peers: int = 0

    @property
    def name(self) -> str:
        """What tells it from the other workers of its ability on this host: "T4G16.3", "cpu.0"."""
        return f"{self.gpu_type}.{self.label}" + (f"-{self.ordinal}" if self.ordinal else "")


@dataclass(frozen=True)
class Refusal:
    """An ability without a worker, and why."""

    service_id: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a host starts.

    Attributes:
        notes: GPUs of a wanted type that got no worker of an ability, and why, a line each.
    """

    workers: tuple[Placement, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    notes: tuple[str, ...] = ()


def make_plan(
    inventory: Inventory,
    abilities: Sequence[Ability],
    cores: int,
    aliases: Mapping[str, str] | None = None,
    running: Iterable[Placement] = (),
) -> Plan:
    """Returns which workers a host starts for its abilities.

    Args:
        inventory: the host's GPUs.
        abilities: in any order; their order decides where nothing else does.
        cores: of the CPU, that workers may use.
        aliases: names that operators give to GPU types.
        running: the workers that there are, which the plan moves only if it must.
    """
    abilities = [ability.with_names(aliases or {}) for ability in abilities]
    rooms, placed = _place_on_gpus(devices_of(inventory, aliases), abilities, tuple(running))
    on_gpu = {placement.service_id for placement in placed}
    cpu = [ability for ability in abilities if _wants_cpu(ability, on_gpu)]
    served = on_gpu | {ability.service_id for ability in cpu}
    on_cpu = _place_on_cpu(cpu, cores)
    threads = max(1, cores // max(1, len(placed) + len(on_cpu)))
    return Plan(
        workers=(*(replace(item, threads=threads) for item in _in_order(placed, abilities)), *on_cpu),
        refusals=tuple(
            Refusal(ability.service_id, _why_refused(ability, inventory, rooms))
            for ability in abilities
            if ability.service_id not in served
        ),
        notes=tuple(_notes(abilities, rooms)),
    )


def _place_on_gpus(
    devices: Sequence[GpuDevice], abilities: Sequence[Ability], running: Sequence[Placement]
) -> tuple[list[Room], list[Placement]]:
    rooms = [Room(device) for device in devices]
    hopeful = [ability for ability in abilities if any(room.could_take(ability) for room in rooms)]
    placed = _keep(rooms, hopeful, running)
    kept = {placement.service_id for placement in placed}
    cost, first = place_first_workers(rooms, [item for item in hopeful if item.service_id not in kept])
    # Who moves loads its model anew: only if that gives somebody a GPU, or a worker at all.
    if placed and cost > (0, 0):
        other_rooms = [Room(device, former=_former(device, running)) for device in devices]
        other_cost, other_first = place_first_workers(other_rooms, hopeful)
        if other_cost < cost:
            rooms, placed, first = other_rooms, [], other_first
    placed += [_take_in(room, ability) for ability, room in first]
    # For a host that was planned anew: those who still fit stay. Otherwise all are in their places already.
    placed += _keep(rooms, hopeful, running)
    return rooms, placed + _spread(rooms, hopeful)


def _former(device: GpuDevice, running: Iterable[Placement]) -> frozenset[str]:
    return frozenset(placement.service_id for placement in running if placement.gpu_id == device.uuid)


def _keep(
    rooms: Iterable[Room], abilities: Iterable[Ability], running: Sequence[Placement]
) -> list[Placement]:
    """Lets the workers that run stay where they are, as far as they fit and are not there already."""
    placed: list[Placement] = []
    wanted = Counter((placement.service_id, placement.gpu_id) for placement in running if placement.gpu_id)
    for ability in abilities:
        for room in rooms:
            there = wanted[ability.service_id, room.device.uuid]
            while room.count(ability) < there and room.fits(ability):
                placed.append(_take_in(room, ability))
    return placed


def _spread(rooms: Sequence[Room], abilities: Sequence[Ability]) -> list[Placement]:
    """Gives out what is left, in rounds."""
    placed: list[Placement] = []
    while abilities := [ability for ability in abilities if fitting(rooms, ability)]:
        choices = {ability.service_id: len(fitting(rooms, ability)) for ability in abilities}
        for ability in sorted(abilities, key=lambda item: choices[item.service_id]):
            if left := fitting(rooms, ability):
                placed.append(_take_in(min(left, key=lambda room: rank(room, ability)), ability))
    return placed


def _take_in(room: Room, ability: Ability) -> Placement:
    ordinal, device = room.take_in(ability), room.device
    return Placement(
        ability.service_id, device.gpu_type, device.uuid, device.label, ordinal, room.memory_mb(ability)
    )


def _in_order(placed: list[Placement], abilities: Sequence[Ability]) -> list[Placement]:
    order = {ability.service_id: index for index, ability in enumerate(abilities)}
    return sorted(placed, key=lambda item: (order[item.service_id], label_key(item.label), item.ordinal))


def _wants_cpu(ability: Ability, on_gpu: set[str]) -> bool:
    types = ability.gpu.types
    return CPU in types and (ability.service_id not in on_gpu or types[0] == CPU)


def threads_alone(ability: Ability, cores: int) -> int:
    """Returns the threads of a worker on a host that serves no other ability, on its CPU."""
    return _place_on_cpu([ability], cores)[0].threads


def _place_on_cpu(abilities: Sequence[Ability], cores: int) -> list[Placement]:
    processes = [(ability, ordinal) for ability in abilities for ordinal in range(ability.worker.cpu_workers)]
    threads = max(1, cores // max(1, len(processes)))
    return [
        Placement(
            ability.service_id,
            CPU,
            label=str(ordinal),
            threads=threads,
            peers=ability.worker.cpu_workers,
        )
        for ability, ordinal in processes
    ]


def _why_refused(ability: Ability, inventory: Inventory, rooms: Sequence[Room]) -> str:
    wanted = ", ".join(ability.gpu.types)
    needs = f"it needs {'a GPU of type' if len(ability.gpu.types) == 1 else 'one of'} {wanted}"
    remedy = 'add "cpu" to gpu.types in its ability.toml to run it on the CPU'
    of_type = [room for room in rooms if room.is_of_type(ability)]
    if of_type:
        reasons = "; ".join(f"{room}: {room.obstacle(ability)}" for room in of_type)
        return f"{needs}, and none can take it: {reasons}"
    if inventory.problem:
        return f"{needs}, and {inventory.problem}; {remedy}"
    if not rooms and inventory.hidden:
        return f"{needs}, and CUDA_VISIBLE_DEVICES hides all {inventory.hidden} GPUs of this host; {remedy}"
    if not rooms:
        return f"{needs}, and this host has no GPU; {remedy}"
    broken = [f"{room}: {room.device.problem}" for room in rooms if room.device.problem]
    counts = Counter(room.device.gpu_type for room in rooms if not room.device.problem)
    there = [f"{count} x {gpu_type}" for gpu_type, count in counts.items()]
    hidden = [f"{inventory.hidden} that CUDA_VISIBLE_DEVICES hides"] if inventory.hidden else []
    return f"{needs}; this host has {'; '.join([*there, *broken, *hidden])}; {remedy}"


def _notes(abilities: Sequence[Ability], rooms: Sequence[Room]) -> Iterable[str]:
    for room in rooms:
        if room.device.problem:
            yield f"{room} is not used: {room.device.problem}"
            continue
        wanting = [ability for ability in abilities if room.is_of_type(ability)]
        for ability in wanting:
            count = room.count(ability)
            if count < ability.gpu.workers_per_gpu:
                yield f"{room} has {count} workers of {ability.service_id}: {room.obstacle(ability)}"
        if not room.has_known_memory and any(tenant.gpu.memory_mb for tenant in room.tenants):
            yield f"{room} takes one worker that needs memory: the driver does not tell how much it has"
        if not wanting:
            yield f"{room} is not used: no ability names its type"
