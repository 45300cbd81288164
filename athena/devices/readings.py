"""The GPUs of a host as its supervisor knows them: the last reading, and what is kept of earlier ones."""

import time
from collections.abc import Mapping
from dataclasses import replace

from athena.devices.inventory import Gpu, GpuDevice, Inventory, devices_of, xid_problem


class HostGpus:
    """What a host's driver has told.

    Two things are remembered. Memory that was free when a GPU was seen first, because our own workers take it
    later. And critical errors, because the process that hears of them may be replaced.

    Args:
        inventory: the first reading.
        aliases: names that operators give to GPU types.

    Attributes:
        inventory: the last reading.
        read_ms: when it was made, milliseconds since 1970.
    """

    def __init__(self, inventory: Inventory, aliases: Mapping[str, str]) -> None:
        self._aliases = aliases
        self._free_mib: dict[str, int] = {}
        self._xids: dict[str, int] = {}
        self.inventory = Inventory()
        self.read_ms = 0
        self.take_in(inventory)

    @property
    def devices(self) -> list[GpuDevice]:
        """What workers can be pinned to, in host order."""
        return devices_of(self.inventory, self._aliases)

    def take_in(self, inventory: Inventory) -> list[str]:
        """Takes in a new reading; returns what is new for a plan, a line each."""
        old_problem, known = self.inventory.problem, self._facts()
        self.inventory = self._with_xids(inventory)
        self.read_ms = int(time.time() * 1000)
        for device in self.devices:
            # Only what was really read: the zero of a GPU that could not be read would count for good.
            if device.uuid and not device.problem and device.memory_total_mib:
                self._free_mib.setdefault(device.uuid, device.memory_free_mib)
        seen = self._facts()
        gone = {uuid for uuid, _, _ in known} - {uuid for uuid, _, _ in seen}
        return [
            *(["the NVIDIA driver answers"] if old_problem else []),
            *(
                f"GPU {uuid} ({gpu_type}): {problem or 'it is healthy'}"
                for uuid, gpu_type, problem in sorted(seen - known)
            ),
            *(f"GPU {uuid} is gone" for uuid in sorted(gone)),
        ]

    def before_our_workers(self) -> Inventory:
        """Returns the inventory with the memory that was free before our own workers took it."""
        free = self._free_mib
        gpus = (
            replace(
                gpu,
                memory_free_mib=free.get(gpu.uuid, gpu.memory_free_mib),
                mig_instances=tuple(
                    replace(part, memory_free_mib=free.get(part.uuid, part.memory_free_mib))
                    for part in gpu.mig_instances
                ),
            )
            for gpu in self.inventory.gpus
        )
        return replace(self.inventory, gpus=tuple(gpus))

    def _facts(self) -> set[tuple[str, str, str]]:
        return {(device.uuid, device.gpu_type, device.problem) for device in self.devices}

    def _with_xids(self, inventory: Inventory) -> Inventory:
        self._xids.update({gpu.uuid: gpu.xid for gpu in inventory.gpus if gpu.uuid and gpu.xid})
        return replace(inventory, gpus=tuple(self._with_xid(gpu) for gpu in inventory.gpus))

    def _with_xid(self, gpu: Gpu) -> Gpu:
        xid = self._xids.get(gpu.uuid, 0)
        if gpu.xid or not xid:
            return gpu
        return replace(gpu, xid=xid, problem=gpu.problem or xid_problem(xid))
