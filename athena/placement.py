"""Which worker processes a host starts: a pure function of its GPUs, its cores and its abilities.

The rules:

- An ability gets workers on every GPU of the types that it names, `gpu.workers_per_gpu` on each, as long as
  memory (`gpu.memory_mb`) and share (`gpu.share`) fit.
- GPUs are given out in rounds: each ability gets one worker before any gets its second, and the one with
  the fewest GPUs to choose from comes first.
- A worker goes to the GPU of the type that its ability names first; among those of one type, to the one with
  the fewest workers.
- Workers on the CPU are started for abilities whose types hold `cpu`, if they got no GPU or name `cpu` first.
  They divide the cores among themselves.
- What cannot be placed is refused, with the reason of each GPU that came into question.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from athena.ability import Ability
from athena.gpu_types import CPU
from athena.inventory import GpuDevice, Inventory, devices_of, label_key


@dataclass(frozen=True)
class Placement:
    """One worker process that is to be.

    Attributes:
        gpu_id: UUID of its GPU or MIG instance; "" on the CPU.
        label: the place of its GPU on the host, such as "3" or "3m1"; on the CPU "0", "1", …
        ordinal: counts the workers of one ability on one GPU, from 0.
        memory_limit_mb: GPU memory that it may use, in MiB; 0 for all.
        threads: for one inference on the CPU; 0 on a GPU, where it does not matter.
    """

    service_id: str
    gpu_type: str
    gpu_id: str = ""
    label: str = "0"
    ordinal: int = 0
    memory_limit_mb: int = 0
    threads: int = 0

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
) -> Plan:
    """Returns which workers a host starts for its abilities.

    Args:
        inventory: the host's GPUs.
        abilities: in any order; their order decides where nothing else does.
        cores: of the CPU, that workers may use.
        aliases: names that operators give to GPU types.
    """
    rooms = [_Room(device) for device in devices_of(inventory, aliases)]
    placed = _place_on_gpus(rooms, abilities)
    on_gpu = {placement.service_id for placement in placed}
    cpu = [ability for ability in abilities if _wants_cpu(ability, on_gpu)]
    served = on_gpu | {ability.service_id for ability in cpu}
    return Plan(
        workers=(*_in_order(placed, abilities), *_place_on_cpu(cpu, cores)),
        refusals=tuple(
            Refusal(ability.service_id, _why_refused(ability, inventory, rooms))
            for ability in abilities
            if ability.service_id not in served
        ),
        notes=tuple(_notes(abilities, rooms)),
    )


@dataclass
class _Room:
    """What is left of a device."""

    device: GpuDevice
    claimed: float = 0.0
    reserved_mib: int = 0
    workers: Counter[str] = field(default_factory=Counter)

    @property
    def free_mib(self) -> int:
        return self.device.memory_free_mib - self.reserved_mib

    def obstacle(self, ability: Ability) -> str:
        """Returns why one more worker of an ability does not fit; "" if it does."""
        gpu = ability.gpu
        if self.device.problem:
            return self.device.problem
        if gpu.share and self.claimed + gpu.share > 1 + 1e-9:
            return f"{1 - self.claimed:.0%} of it is unclaimed, a worker claims {gpu.share:.0%}"
        if self.claimed >= 1 and not self.workers[ability.service_id]:
            return "other workers have claimed it for themselves"
        if gpu.share >= 1 and self.workers.total() > self.workers[ability.service_id]:
            return "a worker claims all of it, and others are on it"
        is_known = self.device.memory_total_mib > 0
        if is_known and gpu.memory_mb > self.free_mib:
            return (
                f"{self.free_mib} MiB of {self.device.memory_total_mib} are free, "
                f"a worker needs {gpu.memory_mb:g}"
            )
        return ""

    def fits(self, ability: Ability) -> bool:
        return (
            self.device.gpu_type in ability.gpu.types
            and self.workers[ability.service_id] < ability.gpu.workers_per_gpu
            and not self.obstacle(ability)
        )

    def take_in(self, ability: Ability) -> Placement:
        gpu, ordinal = ability.gpu, self.workers[ability.service_id]
        self.workers[ability.service_id] += 1
        self.claimed += gpu.share
        self.reserved_mib += int(gpu.memory_mb)
        limit_mb = int(gpu.memory_mb or gpu.share * self.device.memory_total_mib)
        device = self.device
        return Placement(ability.service_id, device.gpu_type, device.uuid, device.label, ordinal, limit_mb)

    def __str__(self) -> str:
        return f"GPU {self.device.label} ({self.device.gpu_type})"


def _place_on_gpus(rooms: Sequence[_Room], abilities: Sequence[Ability]) -> list[Placement]:
    placed: list[Placement] = []
    open_abilities = list(abilities)
    while open_abilities:
        choices = {id(ability): _choices(rooms, ability) for ability in open_abilities}
        open_abilities = [ability for ability in open_abilities if choices[id(ability)]]
        for ability in sorted(open_abilities, key=lambda item: len(choices[id(item)])):
            left = _choices(rooms, ability)
            if left:
                best = min(left, key=lambda room: _rank(room, ability))
                placed.append(best.take_in(ability))
    return placed


def _choices(rooms: Iterable[_Room], ability: Ability) -> list[_Room]:
    return [room for room in rooms if room.fits(ability)]


def _rank(room: _Room, ability: Ability) -> tuple[int, int, float]:
    return ability.gpu.types.index(room.device.gpu_type), room.workers.total(), room.claimed


def _in_order(placed: list[Placement], abilities: Sequence[Ability]) -> list[Placement]:
    order = {ability.service_id: index for index, ability in enumerate(abilities)}
    return sorted(placed, key=lambda item: (order[item.service_id], label_key(item.label), item.ordinal))


def _wants_cpu(ability: Ability, on_gpu: set[str]) -> bool:
    types = ability.gpu.types
    return CPU in types and (ability.service_id not in on_gpu or types[0] == CPU)


def _place_on_cpu(abilities: Sequence[Ability], cores: int) -> list[Placement]:
    processes = [(ability, ordinal) for ability in abilities for ordinal in range(ability.worker.cpu_workers)]
    threads = max(1, cores // max(1, len(processes)))
    return [
        Placement(ability.service_id, CPU, label=str(ordinal), threads=threads)
        for ability, ordinal in processes
    ]


def _why_refused(ability: Ability, inventory: Inventory, rooms: Sequence[_Room]) -> str:
    wanted = ", ".join(ability.gpu.types)
    needs = f"it needs {'a GPU of type' if len(ability.gpu.types) == 1 else 'one of'} {wanted}"
    remedy = 'add "cpu" to gpu.types in its ability.toml to run it on the CPU'
    fitting = [room for room in rooms if room.device.gpu_type in ability.gpu.types]
    if fitting:
        reasons = "; ".join(f"{room}: {room.obstacle(ability)}" for room in fitting)
        return f"{needs}, and none can take it: {reasons}"
    if inventory.problem:
        return f"{needs}, and {inventory.problem}; {remedy}"
    if not rooms:
        return f"{needs}, and this host has no GPU; {remedy}"
    broken = [f"{room}: {room.device.problem}" for room in rooms if room.device.problem]
    counts = Counter(room.device.gpu_type for room in rooms if not room.device.problem)
    there = [f"{count} x {gpu_type}" for gpu_type, count in counts.items()]
    return f"{needs}; this host has {'; '.join([*there, *broken])}; {remedy}"


def _notes(abilities: Sequence[Ability], rooms: Sequence[_Room]) -> Iterable[str]:
    for room in rooms:
        if room.device.problem:
            yield f"{room} is not used: {room.device.problem}"
            continue
        for ability in abilities:
            wanted = room.device.gpu_type in ability.gpu.types
            if wanted and room.workers[ability.service_id] < ability.gpu.workers_per_gpu:
                count = room.workers[ability.service_id]
                yield f"{room} has {count} workers of {ability.service_id}: {room.obstacle(ability)}"
        if not room.workers and not any(room.device.gpu_type in item.gpu.types for item in abilities):
            yield f"{room} is not used: no ability names its type"
