"""Which workers are alive and where a request goes: pure, fed with what Redis says and a monotonic clock."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass

import orjson

from athena.errors import UnservedError
from athena.fleet.host_report import loading_workers, unbatched_workers
from athena.fleet.registry import readable
from athena.fleet.routing import (
    Hints,
    Route,
    rerouting,
    route,
)
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.queues import ANY, QueueName, is_gpu_id
from athena.jobs.record import JobRecord
from athena.protocol.interface import Interface
from athena.store.fencing import STAY, Rerouting
from athena.store.keys import NONE
from athena.store.scripts import Command

#: A worker whose heartbeat counter stands still for this long is dead. Counters, not timestamps: a stepped
#: clock or a Redis outage then declares nobody dead.
DEAD_AFTER_S = 5.0

#: An observer that did not read the registry for this long begins to count anew: the silence may be its own.
MAX_GAP_S = 2.5

#: So long it is said why a worker did not start. Its supervisor tries again, and says so again, before.
FAILURE_SHOWN_S = 900.0

#: A type that had no worker for so long has lost it for good: a restart takes less.
REROUTE_AFTER_S = 10.0

#: Stands for all abilities where those are named whose workers come on demand.
ALL_ABILITIES = "*"

#: How long the list of those that requests may go to is used again.
ROUTABLE_S = 0.25

#: How often an observer looks at what supervisors tell of their hosts: often enough to see that a worker
#: loads before its type counts as lost.
HOSTS_S = 3.0

#: Changes nothing, and is refused while Redis takes no writes: its disk is full, or its replicas are lost.
WRITE_PROBE: Command = ("UNLINK", NONE)


@dataclass(frozen=True)
class Failure:
    """Why an ability has no worker.

    Attributes:
        at_s: when that was told, seconds since 1970.
        is_broken: whether its worker served, and was found broken; else none has started.
    """

    detail: str
    at_s: float
    is_broken: bool = False

    def encode(self) -> bytes:
        """Returns the failure as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> "Failure":
        """Reads what `encode` wrote."""
        document = orjson.loads(raw)
        return cls(str(document["detail"]), float(document["at_s"]), bool(document.get("is_broken")))


@dataclass
class _Pulse:
    beat: int
    changed_s: float


class FleetView:
    """One observer's picture of the fleet; call `observe` about once a second.

    Args:
        unserved_grace_s: how long requests are accepted after the last worker was seen.
        now_s: of a monotonic clock.
        on_demand: abilities whose requests are accepted without: their jobs are what workers are started for.

    Attributes:
        interfaces: service_id -> interface, of all abilities that were registered and not forgotten.
        failures: service_id -> why its worker does not start, or does not serve any more, in one line.
        broken: the abilities of these whose workers did serve, and were found broken.
        unbatched: worker -> why it runs each job in a call of its own although it could batch.
    """

    def __init__(self, unserved_grace_s: float, now_s: float, on_demand: Collection[str] = ()) -> None:
        self.interfaces: dict[str, Interface] = {}
        self.failures: dict[str, str] = {}
        self.broken: set[str] = set()
        self.unbatched: dict[str, str] = {}
        #: Forgotten ones: a gateway that had not heard of it yet may have accepted jobs.
        self._retired: dict[str, Interface] = {}
        self._grace_s = unserved_grace_s
        self._on_demand = frozenset(on_demand)
        self._started_s = now_s
        self._workers: dict[str, WorkerEntry] = {}
        self._pulses: dict[str, _Pulse] = {}
        self._seen_s: dict[str, float] = {}
        self._observed_s = float("-inf")
        self._targets_seen: dict[str, dict[tuple[str, str], tuple[float, WorkerEntry]]] = {}
        self._loading: dict[str, set[str]] = {}
        self._routable: dict[str, tuple[float, list[WorkerEntry]]] = {}

    @property
    def swept(self) -> list[Interface]:
        """Abilities whose jobs are looked after, those that were forgotten included."""
        return [*self.interfaces.values(), *self._retired.values()]

    def learn(self, interface: Interface) -> None:
        """Takes an interface in."""
        self._retired.pop(interface.service_id, None)
        self.interfaces[interface.service_id] = interface

    def forget(self, service_id: str) -> None:
        """Takes an ability out that an operator had forgotten."""
        interface = self.interfaces.pop(service_id, None)
        if interface is not None:
            self._retired[service_id] = interface

    def observe(
        self,
        now_s: float,
        workers: Mapping[bytes, bytes],
        beats: Mapping[bytes, bytes],
        takes_writes: bool = True,
    ) -> None:
        """Takes in a fresh reading of the registry.

        Without writes there are no beats either, so then nobody's silence counts.
        """
        entries = readable(workers, WorkerEntry.decode)
        # A copy under another name has no heartbeat: its original would be fenced in its place.
        self._workers = {name: entry for name, entry in entries if entry.incarnation == name}
        counters = dict(readable(beats, int))
        if now_s - self._observed_s > MAX_GAP_S or not takes_writes:
            self._pulses.clear()
        self._observed_s = now_s
        for incarnation in self._workers:
            beat = counters.get(incarnation, 0)
            pulse = self._pulses.get(incarnation)
            if pulse is None or pulse.beat != beat:
                self._pulses[incarnation] = _Pulse(beat, now_s)
        for incarnation in self._pulses.keys() - self._workers.keys():
            del self._pulses[incarnation]
        self._routable.clear()
        for worker in self.live_workers(now_s):
            self._seen_s[worker.service_id] = now_s
            seen = self._targets_seen.setdefault(worker.service_id, {})
            seen[worker.gpu_type, worker.gpu_id] = (now_s, worker)
        for service_id, seen in self._targets_seen.items():
            self._targets_seen[service_id] = {
                target: item for target, item in seen.items() if now_s - item[0] <= REROUTE_AFTER_S
            }

    def observe_hosts(self, wall_clock_s: float, reports: Mapping[bytes, bytes]) -> None:
        """Takes in which workers run no more batches, and which are about to serve.

        Each of these is of an ability, on a type and perhaps a GPU.
        """
        self.unbatched = {
            status.name: status.unbatched
            for _, statuses in readable(reports, lambda raw: unbatched_workers(raw, wall_clock_s))
            for status in statuses
        }
        self._loading = {}
        for _, statuses in readable(reports, lambda raw: loading_workers(raw, wall_clock_s)):
            for status in statuses:
                targets = self._loading.setdefault(status.service_id, set())
                targets.update(filter(None, (status.gpu_type, status.gpu_id)))

    def loading(self, now_s: float) -> list[str]:
        """Returns the abilities whose first worker is about to serve; not those that fail again and again."""
        return sorted(
            service_id
            for service_id in self._loading.keys() - self.failures.keys()
            if not self.live_workers(now_s, service_id)
        )

    def observe_failures(self, wall_clock_s: float, failures: Mapping[bytes, bytes]) -> None:
        """Takes in why workers did not start; what is old is that of abilities that are served no more."""
        shown = {
            service_id: failure
            for service_id, failure in readable(failures, Failure.decode)
            if wall_clock_s - failure.at_s <= FAILURE_SHOWN_S
        }
        self.failures = {service_id: failure.detail for service_id, failure in shown.items()}
        self.broken = {service_id for service_id, failure in shown.items() if failure.is_broken}

    def unserved_because_broken(self, now_s: float) -> list[str]:
        """Returns the abilities of which every worker is broken."""
        return sorted(name for name in self.broken if not self.live_workers(now_s, name))

    def failure_reason(self, service_id: str) -> str:
        """Returns what its failure is called; "" if there is none."""
        if service_id not in self.failures:
            return ""
        return "worker_broken" if service_id in self.broken else "worker_failing"

    def live_workers(self, now_s: float, service_id: str | None = None) -> list[WorkerEntry]:
        """Returns the workers whose heart beats, of one ability or of all."""
        return [
            worker
            for incarnation, worker in self._workers.items()
            if now_s - self._pulses[incarnation].changed_s <= DEAD_AFTER_S
            and service_id in (None, worker.service_id)
        ]

    def dead_workers(self, now_s: float) -> list[WorkerEntry]:
        """Returns the registered workers whose heart does not beat."""
        alive = {worker.incarnation for worker in self.live_workers(now_s)}
        return [worker for incarnation, worker in self._workers.items() if incarnation not in alive]

    def last_beat(self, incarnation: str) -> int:
        """Returns the number of the last beat of a worker that is known here."""
        return self._pulses[incarnation].beat

    def last_beat_s(self, incarnation: str) -> float:
        """Returns when a worker's counter was seen to move last; -inf for one that is not known here."""
        pulse = self._pulses.get(incarnation)
        return pulse.changed_s if pulse else float("-inf")

    def why_queued(self, now_s: float, record: JobRecord) -> str:
        """Returns why a queued job does not run yet, in words for its caller."""
        if record.is_paused:
            return f"queue_paused: an operator has paused {record.queue}"
        if record.queue_waits:
            return record.queue_waits
        if record.retry_ms:
            return f"waiting_to_retry: attempt {record.attempts} failed: {record.last_failure}"
        again = f" (it is tried again: {record.last_failure})" if record.last_failure else ""
        queue = QueueName.parse(record.queue)
        service_id, target = queue.service_id, queue.target
        alive = self.live_workers(now_s, service_id)
        fitting = [worker for worker in alive if target in (ANY, worker.gpu_type, worker.gpu_id)]
        if fitting:
            return f"waiting_for_slot: the workers are busy{again}"
        if service_id in self.failures:
            return f"{self.failure_reason(service_id)}: {self.failures[service_id]}"
        if alive:
            types = ", ".join(sorted({worker.gpu_type for worker in alive}))
            what = f"on GPU {target}" if is_gpu_id(target) else f"of type {target}"
            return f"no_worker: none {what} is alive; alive: {types}{again}"
        return f"no_worker: no worker of {service_id} is alive{again}"

    def route(self, now_s: float, interface: Interface, hints: Hints) -> Route:
        """Returns where a request goes (see `athena.fleet.routing.route`).

        Raises:
            UnservedError: no worker of the ability was seen lately, or none that the hints and the ability
                allow.
        """
        service_id = interface.service_id
        alive = self._alive_for_routing(now_s, service_id)
        if not self.is_served(now_s, service_id):
            failure = self.failures.get(service_id)
            loading = "; it is loading" if service_id in self._loading else ""
            what = "its worker is broken" if service_id in self.broken else "it does not start"
            why = f"; {what}: {failure}" if failure else loading
            raise UnservedError(
                f"no worker serves {service_id} at the moment{why}", retry_after_s=int(DEAD_AFTER_S)
            )
        return route(interface, alive, hints)

    def is_served(self, now_s: float, service_id: str) -> bool:
        """Whether requests for it are accepted: a worker is alive, or was a moment ago, or will come."""
        return (
            bool(self._alive_for_routing(now_s, service_id))
            or self._is_on_demand(service_id)
            or self._seen_lately(now_s, service_id)
        )

    def rerouting(self, now_s: float, interface: Interface) -> Rerouting:
        """Returns what becomes of queued jobs that no worker takes; who restarts or loads still counts."""
        # Who has just begun to look has seen no worker of any type yet.
        if now_s - self._started_s < REROUTE_AFTER_S:
            return STAY
        seen = self._targets_seen.get(interface.service_id, {}).values()
        alive = [worker for seen_s, worker in seen if now_s - seen_s <= REROUTE_AFTER_S]
        # While nobody is alive jobs stay: else whichever worker loads first would take those of all types.
        if not self.live_workers(now_s, interface.service_id):
            alive = []
        return rerouting(interface, alive, self._loading.get(interface.service_id, ()))

    def _alive_for_routing(self, now_s: float, service_id: str) -> list[WorkerEntry]:
        until_s, alive = self._routable.get(service_id, (0.0, []))
        if now_s >= until_s:
            alive = self.live_workers(now_s, service_id)
            self._routable[service_id] = (now_s + ROUTABLE_S, alive)
        return alive

    def _is_on_demand(self, service_id: str) -> bool:
        return not self._on_demand.isdisjoint((service_id, ALL_ABILITIES))

    def _seen_lately(self, now_s: float, service_id: str) -> bool:
        seen_s = self._seen_s.get(service_id, self._started_s)
        return now_s - seen_s <= self._grace_s
