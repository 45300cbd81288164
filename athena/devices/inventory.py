"""The GPUs of one host as its driver describes them: what the driver's program reads and others plan with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from athena.devices.types import gpu_type_of, mig_type_of

#: The problem of a host on which no driver is installed; any other one may be over later.
NO_DRIVER = "there is no NVIDIA driver"


@dataclass(frozen=True)
class GpuProcess:
    """A process that uses a GPU; `memory_mib` is None where the driver does not tell."""

    pid: int
    memory_mib: int | None = None


@dataclass(frozen=True)
class MigInstance:
    """A part of a partitioned GPU.

    Attributes:
        profile: as the driver names it, such as "3g.40gb"; "" if it does not.
        slices: compute slices; 0 if unknown.
    """

    index: int
    uuid: str
    profile: str = ""
    slices: int = 0
    memory_total_mib: int = 0
    memory_free_mib: int = 0


@dataclass(frozen=True)
class Gpu:
    """One GPU. What the driver does not tell is None, "" or empty.

    Attributes:
        index: in the driver's order.
        uuid: "GPU-…"; "" for one that does not even tell that.
        problem: why nothing can run on it, in one line; "" for a healthy one.
        compute_capability: such as "8.0".
        mig: whether it is partitioned; then only its instances can be used.
        ecc_uncorrected: errors in memory that could not be corrected, since the driver was loaded.
        xid: the last critical error that the driver reported since we watch; 0 for none.
        utilization: share of the last moments in which it computed, from 0 to 1.
    """

    index: int
    uuid: str = ""
    product: str = ""
    problem: str = ""
    memory_total_mib: int = 0
    memory_free_mib: int = 0
    compute_capability: str = ""
    mig: bool = False
    mig_instances: tuple[MigInstance, ...] = ()
    processes: tuple[GpuProcess, ...] = ()
    ecc_uncorrected: int | None = None
    xid: int = 0
    utilization: float | None = None
    temperature_c: int | None = None
    power_w: float | None = None
    power_limit_w: float | None = None


@dataclass(frozen=True)
class Inventory:
    """What a host has.

    Attributes:
        problem: why there is nothing: no driver, a driver that does not answer; "" if there is a driver.
        driver: its version.
        cuda: the newest version that the driver runs, such as "12.4".
        hidden: how many GPUs there are beside, that we are told not to use.
    """

    problem: str = ""
    driver: str = ""
    cuda: str = ""
    gpus: tuple[Gpu, ...] = ()
    hidden: int = 0

    def encode(self) -> bytes:
        """Returns the inventory as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, raw: bytes | str) -> "Inventory":
        """Reads what `encode` wrote; members of a later version are ignored."""
        document = orjson.loads(raw)
        if not isinstance(document, dict):
            raise ValueError("an inventory is a JSON object")
        gpus = tuple(_gpu(item) for item in document.get("gpus", ()))
        inventory: Inventory = _known(cls, {**document, "gpus": gpus})
        return inventory


def _gpu(item: dict[str, Any]) -> Gpu:
    instances = tuple(_known(MigInstance, instance) for instance in item.get("mig_instances", ()))
    processes = tuple(_known(GpuProcess, process) for process in item.get("processes", ()))
    gpu: Gpu = _known(Gpu, {**item, "mig_instances": instances, "processes": processes})
    return gpu


def xid_problem(xid: int) -> str:
    """Returns why nothing should run on a GPU that had a critical error."""
    return f"the driver reported the critical error XID {xid}; dmesg says more"


def _known(cls: Any, item: Mapping[str, Any]) -> Any:
    return cls(**{name: value for name, value in item.items() if name in cls.__dataclass_fields__})


@dataclass(frozen=True)
class GpuDevice:
    """What a worker can be pinned to: a whole GPU, or an instance of a partitioned one.

    Attributes:
        uuid: what `CUDA_VISIBLE_DEVICES` takes.
        label: its place on the host: "3", or "3m1" for an instance.
        problem: why nothing can run on it; "" for a healthy one.
    """

    uuid: str
    gpu_type: str
    label: str
    memory_total_mib: int
    memory_free_mib: int
    problem: str = ""


def label_key(label: str) -> tuple[int, ...]:
    """Returns what sorts labels in host order."""
    return tuple(int(part) if part.isdigit() else -1 for part in label.split("m"))


def devices_of(inventory: Inventory, aliases: Mapping[str, str] | None = None) -> list[GpuDevice]:
    """Returns what workers can be pinned to, in host order; those with a problem too."""
    devices: list[GpuDevice] = []
    for gpu in inventory.gpus:
        if gpu.mig and gpu.mig_instances:
            devices += [_instance_device(gpu, instance, aliases) for instance in gpu.mig_instances]
        else:
            devices.append(_gpu_device(gpu, aliases))
    return devices


def _gpu_device(gpu: Gpu, aliases: Mapping[str, str] | None) -> GpuDevice:
    problem = gpu.problem
    if not problem and gpu.mig:
        problem = "it is partitioned (MIG) and has no instance; make one with nvidia-smi mig -cgi … -C"
    if not problem and not gpu.uuid:
        problem = "the driver does not tell its UUID"
    return GpuDevice(
        uuid=gpu.uuid,
        gpu_type=gpu_type_of(gpu.product, gpu.memory_total_mib, aliases),
        label=str(gpu.index),
        memory_total_mib=gpu.memory_total_mib,
        memory_free_mib=gpu.memory_free_mib,
        problem=problem,
    )


def _instance_device(gpu: Gpu, instance: MigInstance, aliases: Mapping[str, str] | None) -> GpuDevice:
    return GpuDevice(
        uuid=instance.uuid,
        gpu_type=mig_type_of(
            gpu.product, instance.slices, instance.memory_total_mib, instance.profile, aliases
        ),
        label=f"{gpu.index}m{instance.index}",
        memory_total_mib=instance.memory_total_mib,
        memory_free_mib=instance.memory_free_mib,
        problem=gpu.problem,
    )
