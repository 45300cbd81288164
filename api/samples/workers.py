"""Who serves, and who should, for Prometheus."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property

from athena.fleet.host_report import BROKEN, SERVING, HostReport, WorkerStatus
from athena.operations.queues import WorkerState
from athena.telemetry.metrics import (
    WORKER_ALIVE,
    WORKER_BROKEN,
    WORKER_MODEL_LOADED,
    WORKER_SLOTS,
    WORKER_SLOTS_BUSY,
    WORKER_STATE,
    WORKER_UNBATCHED,
    WORKERS_EXPECTED,
    WORKERS_SERVING,
    Sample,
)

#: States of a worker whose heart does not beat, and of one whose host has fallen silent.
SILENT, LOST = "silent", "lost"

#: Who is in one of these states is not to serve.
_LEAVING = ("stopping", "drained")

_NONE: Counter[str] = Counter()


@dataclass(frozen=True)
class Crew:
    """The workers of the fleet.

    Attributes:
        latest: name -> what it has registered, of the last process of that name.
        alive: incarnations of those whose hearts beat.
        told: name -> what a supervisor that is alive tells of it.
        lost: name -> what a supervisor told of it that fell silent within the last hour.
    """

    latest: Mapping[str, WorkerState]
    alive: Set[str]
    told: Mapping[str, WorkerStatus]
    lost: Mapping[str, WorkerStatus] = field(default_factory=dict)

    def is_alive(self, state: WorkerState) -> bool:
        """Whether a worker's heart beats."""
        return state.entry.incarnation in self.alive

    def slots(self) -> dict[str, Counter[str]]:
        """Returns ability -> GPU type -> slots of the workers that are alive."""
        return self._sum(lambda state: state.entry.slots if self.is_alive(state) else 0)

    def held(self) -> dict[str, Counter[str]]:
        """Returns ability -> GPU type -> jobs that workers hold."""
        return self._sum(lambda state: state.held_jobs)

    @cached_property
    def serving(self) -> dict[str, Counter[str]]:
        """Returns ability -> GPU type -> workers that are alive."""
        return self._sum(lambda state: int(self.is_alive(state)))

    @cached_property
    def expected(self) -> dict[str, Counter[str]]:
        """Returns ability -> GPU type -> workers that are to serve, also of hosts that fell silent."""
        found: dict[str, Counter[str]] = {}
        for name in self.latest.keys() | self.told.keys() | self.lost.keys():
            # A supervisor's word comes first: of a worker that never came up there is nothing else, and one
            # that was told to go is registered until it has gone.
            status = self.told.get(name) or self.lost.get(name)
            what = self.latest[name].entry if status is None else status
            is_wanted = status is None or status.state not in _LEAVING
            found.setdefault(what.service_id, Counter())[what.gpu_type] += int(is_wanted)
        return found

    def types_of_gpus(self) -> dict[str, str]:
        """Returns GPU -> its type, of all that have a worker."""
        found: Iterable[WorkerStatus] = (*self.lost.values(), *self.told.values())
        return {
            **{status.gpu_id: status.gpu_type for status in found},
            **{state.entry.gpu_id: state.entry.gpu_type for state in self.latest.values()},
        }

    def _sum(self, amount: Callable[[WorkerState], int]) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = {}
        for state in self.latest.values():
            found.setdefault(state.entry.service_id, Counter())[state.entry.gpu_type] += amount(state)
        return found


def told_by_the_lost(
    reports: Iterable[HostReport], told: Mapping[str, WorkerStatus]
) -> dict[str, WorkerStatus]:
    """Returns what silent supervisors told, the last word last, of workers that no other tells of."""
    by_age = sorted(reports, key=lambda report: report.told_ms)
    return {status.name: status for report in by_age for status in report.workers if status.name not in told}


def worker_samples(crew: Crew) -> Iterator[Sample]:
    """Returns how each worker is."""
    for state in crew.latest.values():
        entry = state.entry
        labels = (entry.name, entry.service_id, entry.gpu_type, entry.gpu_id)
        status, is_alive = crew.told.get(entry.name), crew.is_alive(state)
        shown = (status.state if status else SERVING) if is_alive else SILENT
        yield Sample(WORKER_STATE, (*labels, shown), 1)
        yield Sample(WORKER_MODEL_LOADED, labels, 1)
        yield Sample(WORKER_ALIVE, labels, int(is_alive))
        yield Sample(WORKER_SLOTS, labels, entry.slots)
        yield Sample(WORKER_SLOTS_BUSY, labels, state.held_jobs)
        yield Sample(WORKER_BROKEN, labels, 0)
        yield Sample(WORKER_UNBATCHED, labels, int(status is not None and bool(status.unbatched)))
    for name, status in _absent(crew):
        labels = (name, status.service_id, status.gpu_type, status.gpu_id)
        shown = LOST if name in crew.lost else status.state
        yield Sample(WORKER_STATE, (*labels, shown), 1)
        yield Sample(WORKER_MODEL_LOADED, labels, 0)
        yield Sample(WORKER_ALIVE, labels, 0)
        yield Sample(WORKER_BROKEN, labels, int(status.state == BROKEN))


def _absent(crew: Crew) -> Iterator[tuple[str, WorkerStatus]]:
    """Returns the workers that are told of and not registered."""
    for name, status in (*crew.told.items(), *crew.lost.items()):
        if name not in crew.latest:
            yield name, status


def crew_samples(crew: Crew, service_id: str, gpu_types: Iterable[str]) -> Iterator[Sample]:
    """Returns how many workers an ability has, and should have, on each of its types."""
    wanted, there = crew.expected.get(service_id, _NONE), crew.serving.get(service_id, _NONE)
    for gpu_type in gpu_types:
        yield Sample(WORKERS_EXPECTED, (service_id, gpu_type), wanted[gpu_type])
        yield Sample(WORKERS_SERVING, (service_id, gpu_type), there[gpu_type])


def absent_crew_samples(crew: Crew, known: Set[str]) -> Iterator[Sample]:
    """Returns the same of abilities that are not known: none of their workers has ever served."""
    for service_id in crew.expected.keys() - known:
        yield from crew_samples(crew, service_id, sorted(crew.expected[service_id]))
