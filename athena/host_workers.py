"""The workers of one host: what the plan says is started, and follows when a GPU turns bad or comes back."""

import dataclasses
import logging
import os
import time
from collections.abc import Callable, Sequence

from athena.ability import Ability
from athena.fleet_keeper import FleetKeeper
from athena.gpu_watch import GpuWatch
from athena.host import core_count, host_name
from athena.host_report import HostReport
from athena.inventory import GpuDevice, Inventory, devices_of
from athena.placement import Placement, Plan, make_plan
from athena.settings import Settings
from athena.supervisor import Supervisor
from athena.worker_child import WorkerChild

logger = logging.getLogger(__name__)

#: How often it is said again why an ability has no worker.
REPEAT_S = 300.0


class HostWorkers:
    """Keeps the processes of a host in step with its plan.

    Args:
        abilities: what the host is to serve.
        inventory: its GPUs at the start.
        keeper: gives the workers their heartbeats.
        settings: of this process.
        say: tells the operator.
        suffix: part of the workers' names, where several supervisors share a host.
    """

    def __init__(
        self,
        abilities: Sequence[Ability],
        inventory: Inventory,
        keeper: FleetKeeper,
        settings: Settings,
        say: Callable[[str], None],
        suffix: str = "",
    ) -> None:
        self._abilities = {ability.service_id: ability for ability in abilities}
        self._keeper = keeper
        self._settings = settings
        self._say = say
        self._suffix = suffix
        self._supervisor: Supervisor | None = None
        self._inventory = inventory
        self._free_mib = {device.uuid: device.memory_free_mib for device in self._devices(inventory)}
        self._told_s = float("-inf")
        self._leaving: list[WorkerChild] = []
        self._published_s = float("-inf")
        self._read_ms = int(time.time() * 1000)
        self.plan = self._make_plan(inventory)
        self._children = {placement: self._child(placement) for placement in self.plan.workers}

    @property
    def children(self) -> list[WorkerChild]:
        """The processes of the present plan."""
        return list(self._children.values())

    def follow(self, supervisor: Supervisor) -> None:
        """From now on follows what becomes of the GPUs; does nothing on a host without a driver."""
        self._supervisor = supervisor
        supervisor.add_duty(self.on_tick)
        if not self._inventory.problem:
            supervisor.admit(GpuWatch(self._settings.gpu_poll_s, self.on_inventory))

    def withdraw(self) -> None:
        """Tells that nobody looks after this host any more, from now on."""
        self._published_s = float("inf")
        self._keeper.withdraw_hosts()

    def on_inventory(self, inventory: Inventory) -> None:
        """Takes in a new reading, and follows the plan that is made of it."""
        if inventory.problem:
            # The driver is in trouble, the workers may not be: who cannot compute any more ends by itself.
            logger.error("the GPUs cannot be read: %s", inventory.problem)
            return
        known = {(device.uuid, device.problem) for device in self._devices(self._inventory)}
        seen = {(device.uuid, device.problem) for device in self._devices(inventory)}
        self._inventory = inventory
        self._read_ms = int(time.time() * 1000)
        if known == seen:
            return
        for device in self._devices(inventory):
            self._free_mib.setdefault(device.uuid, device.memory_free_mib)
        self._tell_changes(known, seen)
        self._change(self._make_plan(inventory))

    def on_tick(self, now_s: float) -> None:
        """Publishes how things are, and says again why abilities have no worker: it is forgotten else."""
        if now_s - self._published_s >= self._settings.gpu_poll_s:
            self._published_s = now_s
            self._keeper.publish_host(f"{host_name()}:{os.getpid()}", self._report())
        if now_s - self._told_s >= REPEAT_S:
            self._told_s = now_s
            for refusal in self.plan.refusals:
                self._keeper.tell_failure(refusal.service_id, refusal.reason)
        for child in [child for child in self._leaving if not child.is_running]:
            self._leaving.remove(child)
            self._keeper.remove(child)
            if self._supervisor is not None:
                self._supervisor.dismiss(child)

    def _change(self, plan: Plan) -> None:
        assert self._supervisor is not None, "follow comes first"
        wanted = set(plan.workers)
        for placement in [placement for placement in self._children if placement not in wanted]:
            child = self._children.pop(placement)
            self._say(f"{child.name} on GPU {placement.label} is drained")
            child.retire()
            self._leaving.append(child)
        for placement in plan.workers:
            if placement not in self._children:
                self._children[placement] = child = self._child(placement)
                self._say(f"starting {child.node_name}")
                self._supervisor.admit(child)
        self.plan = plan
        self._told_s = float("-inf")

    def _tell_changes(self, known: set[tuple[str, str]], seen: set[tuple[str, str]]) -> None:
        for uuid, problem in sorted(seen - known):
            self._say(f"GPU {uuid}: {problem or 'it is healthy'}")
        for uuid in sorted({uuid for uuid, _ in known} - {uuid for uuid, _ in seen}):
            self._say(f"GPU {uuid} is gone")

    def _make_plan(self, inventory: Inventory) -> Plan:
        return make_plan(
            self._with_free_memory(inventory),
            list(self._abilities.values()),
            core_count(),
            self._settings.gpu_aliases,
        )

    def _with_free_memory(self, inventory: Inventory) -> Inventory:
        """Returns the inventory with the memory that was free before our own workers took it."""
        free = self._free_mib
        gpus = [
            dataclasses.replace(
                gpu,
                memory_free_mib=free.get(gpu.uuid, gpu.memory_free_mib),
                mig_instances=tuple(
                    dataclasses.replace(part, memory_free_mib=free.get(part.uuid, part.memory_free_mib))
                    for part in gpu.mig_instances
                ),
            )
            for gpu in inventory.gpus
        ]
        return dataclasses.replace(inventory, gpus=tuple(gpus))

    def _devices(self, inventory: Inventory) -> list[GpuDevice]:
        return devices_of(inventory, self._settings.gpu_aliases)

    def _child(self, placement: Placement) -> WorkerChild:
        ability = self._abilities[placement.service_id]
        child = WorkerChild(ability, placement, self._keeper, self._settings, self._suffix)
        child.is_optional = True
        return child

    def _report(self) -> bytes:
        workers = tuple(child.state() for child in (*self.children, *self._leaving))
        devices = tuple(self._devices(self._inventory))
        report = HostReport(
            host_name(), int(time.time() * 1000), self._read_ms, self._inventory, devices, workers
        )
        return report.encode()
