"""The GPUs that `CUDA_VISIBLE_DEVICES` names: what a scheduler leaves to us of a host. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from athena.devices.inventory import Gpu, Inventory


def visible_part(inventory: Inventory, visible: str | None) -> Inventory:
    """Returns what may be used of a host.

    Args:
        inventory: all that the driver shows.
        visible: the variable's value, as CUDA reads it: numbers, UUIDs or beginnings of them, up to the first
            that names nothing; None where it is not set. Numbers count GPUs in the order of the driver, and
            that of a partitioned GPU means all of its instances.
    """
    if visible is None:
        return inventory
    gpus = inventory.gpus
    named = list(_named(gpus, [name.strip() for name in visible.split(",")]))
    shown = [gpu for gpu in (_shown(gpu, named) for gpu in gpus) if gpu is not None]
    return replace(inventory, gpus=tuple(shown), hidden=len(gpus) - len(shown))


def _named(gpus: Sequence[Gpu], names: Sequence[str]) -> Iterator[str]:
    """Yields the UUIDs that names stand for, up to the first that stands for none."""
    known = [uuid for gpu in gpus for uuid in (gpu.uuid, *(part.uuid for part in gpu.mig_instances))]
    for name in names:
        if name.isascii() and name.isdigit():
            found = [gpu.uuid for gpu in gpus if gpu.index == int(name)]
        else:
            found = [uuid for uuid in known if name and uuid.startswith(name)]
        if len(found) != 1:
            return
        yield found[0]


def _shown(gpu: Gpu, named: Sequence[str]) -> Gpu | None:
    """Returns what may be used of a GPU: all, some of its instances, or None for nothing."""
    if gpu.uuid in named:
        return gpu
    parts = tuple(part for part in gpu.mig_instances if part.uuid in named)
    return replace(gpu, mig_instances=parts) if parts else None
