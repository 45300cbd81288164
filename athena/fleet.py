"""Which workers are alive and where a request goes: pure, fed with what Redis says and a monotonic clock."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import orjson

from athena.broker import ANY, queue_name
from athena.errors import UnservedError
from athena.interface import Interface
from athena.jobs import JobRecord

#: A worker whose heartbeat counter stands still for this long is dead. Counters, not timestamps: a stepped
#: clock or a Redis outage then declares nobody dead.
DEAD_AFTER_S = 5.0

#: An observer that did not read the registry for this long begins to count anew: the silence may be its own.
MAX_GAP_S = 2.5

#: So long it is said why a worker did not start. Its supervisor tries again, and says so again, before.
FAILURE_SHOWN_S = 900.0


@dataclass(frozen=True)
class WorkerEntry:
    """What a worker writes of itself when it is ready; its model is loaded then.

    Attributes:
        gpu_id: UUID of its GPU or MIG instance; "" on the CPU.
        gpu_label: the place of the GPU on the host: "3", or "3m1" for a MIG instance.
    """

    incarnation: str
    name: str
    service_id: str
    version: str
    gpu_type: str
    slots: int
    gpu_id: str = ""
    gpu_label: str = ""
    host: str = ""

    def encode(self) -> bytes:
        """Returns the entry as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> "WorkerEntry":
        """Reads what `encode` wrote; members of a later version are ignored."""
        document = orjson.loads(raw)
        return cls(**{name: document[name] for name in cls.__dataclass_fields__ if name in document})


@dataclass(frozen=True)
class Failure:
    """Why the last attempt to start an ability's worker failed; `at_s` is seconds since 1970."""

    detail: str
    at_s: float

    def encode(self) -> bytes:
        """Returns the failure as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> "Failure":
        """Reads what `encode` wrote."""
        return cls(**orjson.loads(raw))


@dataclass
class _Pulse:
    beat: int
    changed_s: float


class FleetView:
    """One observer's picture of the fleet; call `observe` about once a second.

    Attributes:
        interfaces: service_id -> interface, of all abilities that were ever registered.
        failures: service_id -> why its worker does not start, in one line.
    """

    def __init__(self, unserved_grace_s: float, now_s: float) -> None:
        self.interfaces: dict[str, Interface] = {}
        self.failures: dict[str, str] = {}
        self._grace_s = unserved_grace_s
        self._started_s = now_s
        self._workers: dict[str, WorkerEntry] = {}
        self._pulses: dict[str, _Pulse] = {}
        self._seen_s: dict[str, float] = {}
        self._observed_s = float("-inf")

    def observe(self, now_s: float, workers: Mapping[bytes, bytes], beats: Mapping[bytes, bytes]) -> None:
        """Takes in a fresh reading of the registry."""
        self._workers = {key.decode(): WorkerEntry.decode(value) for key, value in workers.items()}
        if now_s - self._observed_s > MAX_GAP_S:
            self._pulses.clear()
        self._observed_s = now_s
        for incarnation in self._workers:
            beat = int(beats.get(incarnation.encode(), 0))
            pulse = self._pulses.get(incarnation)
            if pulse is None or pulse.beat != beat:
                self._pulses[incarnation] = _Pulse(beat, now_s)
        for incarnation in self._pulses.keys() - self._workers.keys():
            del self._pulses[incarnation]
        for worker in self.live_workers(now_s):
            self._seen_s[worker.service_id] = now_s

    def observe_failures(self, wall_clock_s: float, failures: Mapping[bytes, bytes]) -> None:
        """Takes in why workers did not start; what is old is that of abilities that are served no more."""
        read = {service_id.decode(): Failure.decode(raw) for service_id, raw in failures.items()}
        self.failures = {
            service_id: failure.detail
            for service_id, failure in read.items()
            if wall_clock_s - failure.at_s <= FAILURE_SHOWN_S
        }

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

    def why_queued(self, now_s: float, record: JobRecord) -> str:
        """Returns why a queued job does not run yet, in words for its caller."""
        if record.is_paused:
            return f"queue_paused: an operator has paused {record.queue}"
        again = f" (it is tried again: {record.last_failure})" if record.last_failure else ""
        service_id, _, gpu_type = record.queue.rpartition(".")
        alive = self.live_workers(now_s, service_id)
        fitting = [worker for worker in alive if gpu_type in (ANY, worker.gpu_type)]
        if fitting:
            return f"waiting_for_slot: the workers are busy{again}"
        if service_id in self.failures:
            return f"worker_failing: {self.failures[service_id]}"
        if alive:
            types = ", ".join(sorted({worker.gpu_type for worker in alive}))
            return f"no_worker: none of type {gpu_type} is alive; alive: {types}{again}"
        return f"no_worker: no worker of {service_id} is alive{again}"

    def route(self, now_s: float, interface: Interface, gpu_type: str) -> str:
        """Returns the queue for a request.

        Args:
            now_s: the monotonic clock.
            interface: the ability.
            gpu_type: the type that the request asks for; "" or "any" for no wish.

        Raises:
            UnservedError: no worker of the ability was seen lately, or none of the type and the ability
            forbids another.
        """
        service_id = interface.service_id
        alive = {worker.gpu_type for worker in self.live_workers(now_s, service_id)}
        if not alive and not self._seen_lately(now_s, service_id):
            failure = self.failures.get(service_id)
            why = f"; it does not start: {failure}" if failure else ""
            raise UnservedError(
                f"no worker serves {service_id} at the moment{why}", retry_after_s=int(DEAD_AFTER_S)
            )
        if gpu_type in ("", ANY):
            return queue_name(service_id, ANY)
        if gpu_type in alive:
            return queue_name(service_id, gpu_type)
        if not interface.fallback:
            if not alive and gpu_type in interface.gpu_types:
                return queue_name(service_id, gpu_type)
            shown = ", ".join(sorted(alive)) or "none"
            raise UnservedError(
                f"{service_id} has no worker of type {gpu_type} and allows no other; alive: {shown}",
                retry_after_s=int(DEAD_AFTER_S),
            )
        for candidate in interface.gpu_types:
            if candidate in alive:
                return queue_name(service_id, candidate)
        return queue_name(service_id, ANY)

    def _seen_lately(self, now_s: float, service_id: str) -> bool:
        seen_s = self._seen_s.get(service_id, self._started_s)
        return now_s - seen_s <= self._grace_s
