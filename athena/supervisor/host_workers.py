"""The workers of one host: what the plan says is started, and follows when a GPU turns bad or comes back."""

import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from athena import __version__
from athena.ability.manifest import Ability
from athena.devices.host import core_count, host_name
from athena.devices.inventory import NO_DRIVER, Inventory
from athena.devices.memory import own_memory_bytes, spare_memory_bytes
from athena.devices.readings import HostGpus
from athena.fleet.host_report import HostReport
from athena.fleet.worker_orders import MAX_SIZE
from athena.plain_text import clipped
from athena.settings import Settings
from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.gpu_watch import GpuWatch
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.loading.first_load import FirstLoad
from athena.supervisor.loading.load_marks import LoadMarks
from athena.supervisor.placement.plan import Placement, Plan, make_plan
from athena.supervisor.rolling_restart import Turn
from athena.supervisor.succession.edit_watch import EditWatch
from athena.supervisor.succession.headroom import gpu_obstacle, host_obstacle
from athena.supervisor.succession.reloads import Reload
from athena.supervisor.succession.successors import Fate, Successors
from athena.supervisor.supervisor import Supervisor
from athena.supervisor.worker_child import WorkerChild

logger = logging.getLogger(__name__)

#: How often it is said again why an ability has no worker.
REPEAT_S = 300.0

#: Names of edited files are told up to this length.
MAX_NAMES_CHARS = 200

#: How often a folder is looked at that could not be served.
LOOK_AGAIN_S = 10.0


class HostWorkers:
    """Keeps the processes of a host in step with its plan.

    Args:
        abilities: what the host is to serve.
        inventory: its GPUs at the start.
        keeper: gives the workers their heartbeats.
        settings: of this process.
        say: tells the operator.
        suffix: part of the workers' names, where several supervisors share a host.

    Attributes:
        plan: the present one.
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
        self._readings = {ability.service_id: AbilityReading(ability) for ability in abilities}
        self._turns = {service_id: Turn() for service_id in self._readings}
        marks = LoadMarks(settings.cache_dir)
        self._first_loads = {
            service_id: FirstLoad(reading, marks, settings.load_timeout_s, say)
            for service_id, reading in self._readings.items()
        }
        self._gpus = HostGpus(inventory, settings.gpu_aliases)
        self._keeper = keeper
        self._settings = settings
        self._say = say
        self._suffix = suffix
        self._supervisor: Supervisor | None = None
        self._trouble = inventory.problem
        #: service_id -> processes on the CPU, by ability.toml or as an operator wants them.
        self._sizes = self._wanted_sizes()
        self._told_s = self._published_s = self._looked_s = float("-inf")
        self.plan = self._make_plan(())
        self._children = {placement: self._child(placement) for placement in self.plan.workers}
        #: What the plan wants and cannot be started yet.
        self._due: list[Placement] = []
        #: Who is not in the plan any more, but serves until its successors do.
        self._staying: list[WorkerChild] = []
        self._successors = Successors()
        #: service_id -> what is still to be done after an edit.
        self._reloads: dict[str, Reload] = {}
        self._leaving: list[WorkerChild] = []

    @property
    def children(self) -> list[WorkerChild]:
        """The processes of the present plan."""
        return list(self._children.values())

    def follow(self, supervisor: Supervisor) -> None:
        """From now on tells how the workers are, and follows what becomes of the GPUs, if there is a driver.

        To be called before the workers are started: who looks from then on knows that they load. What kept
        them from it before is forgotten.
        """
        self._supervisor = supervisor
        for service_id in {child.ability.service_id for child in self.children}:
            self._keeper.forget_failure(service_id)
        self._publish()
        self._keeper.tell_hosts()
        supervisor.add_duty(self.on_tick)
        if self._gpus.inventory.problem != NO_DRIVER:
            supervisor.admit(GpuWatch(self._settings.gpu_poll_s, self.on_inventory))

    def withdraw(self) -> None:
        """Tells that nobody looks after this host any more, from now on."""
        # Ticks go on while the workers end, and would tell of the host again.
        self._published_s = float("inf")
        self._keeper.withdraw_hosts()

    def on_inventory(self, inventory: Inventory) -> None:
        """Takes in a new reading, and follows the plan that is made of it."""
        is_news, self._trouble = inventory.problem != self._trouble, inventory.problem
        if inventory.problem:
            # The driver is in trouble, the workers may not be: who cannot compute any more ends by itself.
            if is_news:
                logger.error("the GPUs cannot be read: %s", inventory.problem)
            return
        news = self._gpus.take_in(inventory)
        for line in news:
            self._say(line)
        if news:
            self._change(self._make_plan(tuple(self._children)))

    def edit_watch(self) -> EditWatch:
        """Returns what has workers replaced when files of their abilities are edited."""
        return EditWatch([reading.ability.path for reading in self._readings.values()], self.on_edits)

    def on_edits(self, paths: Sequence[Path]) -> None:
        """Has the workers of abilities replaced that were edited, unless they cannot be loaded any more."""
        for service_id, reading in self._readings.items():
            folder = reading.ability.path
            names = [str(path.relative_to(folder)) for path in paths if path.is_relative_to(folder)]
            if not names:
                continue
            self._say(f"{service_id} was edited ({clipped(', '.join(names), MAX_NAMES_CHARS)})")
            for line in reading.warnings():
                self._say(line)
            self._reloads[service_id] = Reload(self._turns[service_id], time.monotonic())

    def on_tick(self, now_s: float) -> None:
        """Publishes how things are, and says again why abilities have no worker: it is forgotten else."""
        if now_s - self._published_s >= self._settings.gpu_poll_s:
            self._published_s = now_s
            self._publish()
        if now_s - self._told_s >= REPEAT_S:
            self._told_s = now_s
            for refusal in self.plan.refusals:
                self._keeper.tell_failure(refusal.service_id, refusal.reason)
            for child in self.children:
                if child.refusal:
                    self._keeper.tell_failure(child.ability.service_id, child.refusal)
        self._tell_problems(now_s)
        self._resize()
        self._follow_successors()
        self._reloads = {name: item for name, item in self._reloads.items() if item.step(self._of(name))}
        # In this order: what is due takes the places of those who are gone.
        self._retire_followed()
        self._dismiss_gone()
        self._start_due()

    def _tell_problems(self, now_s: float) -> None:
        """Looks again at folders that could not be served; one that was mended is told of at once."""
        if now_s - self._looked_s < LOOK_AGAIN_S:
            return
        self._looked_s = now_s
        for service_id, reading in self._readings.items():
            if not reading.problem:
                continue
            if reading.examine():
                self._keeper.tell_failure(service_id, reading.problem)
            else:
                self._keeper.forget_failure(service_id)

    def _resize(self) -> None:
        """Follows an operator, or an edit, that wants other numbers of processes on the CPU."""
        sizes = self._wanted_sizes()
        if sizes != self._sizes:
            self._sizes = sizes
            self._change(self._make_plan(tuple(self._children)))

    def _wanted_sizes(self) -> dict[str, int]:
        by_folder = {name: item.ability.worker.cpu_workers for name, item in self._readings.items()}
        by_order = {name: size for name, size in self._keeper.sizes.items() if 1 <= size <= MAX_SIZE}
        return {name: by_order.get(name, size) for name, size in by_folder.items()}

    def _find_successor(self, worker: WorkerChild) -> bool:
        """Lets a process load beside a worker, which serves until that does; False where that cannot be."""
        if self._supervisor is None or worker not in self.children:
            return False
        former = self._successors.give_up(worker)
        if former is not None:
            self._leaving.append(former)
        obstacle = self._obstacle(worker)
        if obstacle:
            self._say(f"{worker.node_name} ends before its successor is tried: {obstacle}")
            return False
        successor = self._child(worker.placement)
        self._successors.begin(worker, successor)
        self._supervisor.admit(successor)
        return True

    def _obstacle(self, worker: WorkerChild) -> str:
        """Returns why no other process fits beside a worker; "" if one does."""
        gpu_id, awaited = worker.placement.gpu_id, self._successors.awaited
        held = [
            own_memory_bytes(other.process.pid) for other in (worker, *awaited) if other.process is not None
        ]
        obstacle = host_obstacle(held[0], sum(held[1:]), spare_memory_bytes())
        if obstacle or not gpu_id:
            return obstacle
        there = [other.ability.gpu.memory_mb for other in awaited if other.placement.gpu_id == gpu_id]
        free_mib = sum(device.memory_free_mib for device in self._gpus.devices if device.uuid == gpu_id)
        return gpu_obstacle(worker.ability.gpu.memory_mb, sum(there), free_mib)

    def _follow_successors(self) -> None:
        """Gives places to successors that serve, and lets those go that do not start."""
        for fate, worker, successor in self._successors.decided(self.children):
            if fate is Fate.TAKES_OVER:
                successor.placement = worker.placement
                self._children[worker.placement] = successor
                self._leaving.append(worker)
                continue
            self._leaving.append(successor)
            if fate is Fate.DOES_NOT_START:
                self._say(f"{worker.node_name} serves on as before: {worker.refusal}")

    def _sized(self, ability: Ability) -> Ability:
        size = self._sizes[ability.service_id]
        return replace(ability, worker=replace(ability.worker, cpu_workers=size))

    def _change(self, plan: Plan) -> None:
        # Those who stay, too: if a successor's GPU is lost again, the worker that still serves is kept.
        left = {_seat(child.placement): child for child in (*self.children, *self._staying)}
        self._children, self._due = {}, []
        for placement in plan.workers:
            child = left.pop(_seat(placement), None)
            if child is None:
                self._due.append(placement)
            else:
                child.placement = placement  # what it shares with others counts from its next start on
                self._children[placement] = child
        self._staying = list(left.values())
        self.plan = plan
        self._told_s = float("-inf")
        self._retire_followed()
        self._start_due()

    def _retire_followed(self) -> None:
        """Ends those who are not in the plan any more, unless nobody else of their ability serves yet."""
        for child in [child for child in self._staying if not self._may_stay(child)]:
            self._staying.remove(child)
            self._leaving.append(child)
            self._say(f"{child.node_name} is drained")
            child.retire()

    def _may_stay(self, leaver: WorkerChild) -> bool:
        gpu_id = leaver.placement.gpu_id
        if gpu_id:
            healthy = {device.uuid for device in self._gpus.devices if not device.problem}
            if gpu_id not in healthy or any(placement.gpu_id == gpu_id for placement in self._due):
                return False
        service_id = leaver.placement.service_id
        successors = [child for child in self.children if child.placement.service_id == service_id]
        is_awaited = any(placement.service_id == service_id for placement in self._due) or bool(successors)
        return is_awaited and not any(child.is_ready for child in successors)

    def _start_due(self) -> None:
        """Starts what the plan wants where nobody is left who has to go."""
        for placement in [placement for placement in self._due if not self._is_taken(placement)]:
            assert self._supervisor is not None, "follow comes first"
            self._due.remove(placement)
            self._children[placement] = child = self._child(placement)
            self._say(f"starting {child.node_name}")
            self._supervisor.admit(child)

    def _is_taken(self, placement: Placement) -> bool:
        """Whether its GPU, or its name, is still that of a worker that ends."""
        wanted = (placement.service_id, placement.name)
        there = [child.placement for child in self._leaving]
        return any(
            (other.gpu_id and other.gpu_id == placement.gpu_id) or (other.service_id, other.name) == wanted
            for other in there
        )

    def _dismiss_gone(self) -> None:
        for child in [child for child in self._leaving if not child.is_running]:
            self._leaving.remove(child)
            self._keeper.remove(child)
            if self._supervisor is not None:
                self._supervisor.dismiss(child)

    def _of(self, service_id: str) -> list[WorkerChild]:
        return [child for child in self.children if child.placement.service_id == service_id]

    def _make_plan(self, running: Sequence[Placement]) -> Plan:
        return make_plan(
            self._gpus.before_our_workers(),
            [self._sized(reading.ability) for reading in self._readings.values()],
            core_count(),
            self._settings.gpu_aliases,
            running,
        )

    def _child(self, placement: Placement) -> WorkerChild:
        reading = self._readings[placement.service_id]
        turn = self._turns[placement.service_id]
        first_load = self._first_loads[placement.service_id]
        child = WorkerChild(reading, placement, self._keeper, self._settings, self._suffix, turn, first_load)
        # One ability that does not start leaves the others serving.
        child.is_optional = True
        child.find_successor = self._find_successor
        return child

    def _publish(self) -> None:
        self._keeper.publish_host(f"{host_name()}{self._suffix}:{os.getpid()}", self._report())

    def _report(self) -> bytes:
        # The last word on a name is that of the process which has it now.
        children = (*self._leaving, *self._staying, *self.children)
        report = HostReport(
            host=host_name(),
            told_ms=int(time.time() * 1000),
            read_ms=self._gpus.read_ms,
            inventory=self._gpus.inventory,
            devices=tuple(self._gpus.devices),
            workers=tuple(child.state() for child in children),
            version=__version__,
        )
        return report.encode()


def _seat(placement: Placement) -> Placement:
    """Returns what a worker must be started anew for, if it changes: all but what it shares with others."""
    return replace(placement, threads=0, peers=0)
