"""What operators do with queues and workers: list, pause, purge, drain, restart."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from athena.errors import NotFoundError
from athena.host_report import HostReport
from athena.interface import Interface
from athena.janitor import queues_of
from athena.keys import (
    ABILITIES,
    BEATS,
    HOSTS,
    ORDERS,
    WORKERS,
    inflight_key,
    line_key,
    load_key,
    open_key,
    queues_key,
)
from athena.queues import NORMAL, QueueName
from athena.script import PAUSE, PURGE
from athena.steps import Steps
from athena.store import (
    pairs,
)
from athena.worker_entry import WorkerEntry

#: How many messages one purge script removes: Redis serves nobody else meanwhile.
PURGE_AT_ONCE = 500

PURGED = "canceled: an operator purged the queue"


@dataclass(frozen=True)
class QueueState:
    """A queue as operators see it."""

    name: str
    jobs: int
    is_paused: bool


@dataclass(frozen=True)
class AbilityLoad:
    """What the open jobs of an ability amount to."""

    service_id: str
    open_jobs: int
    open_bytes: int
    queues: tuple[QueueState, ...]


def known_queues(interface: Interface) -> Steps[list[str]]:
    """Returns the queues that an ability may have jobs in, or had."""
    held = yield ("SMEMBERS", queues_key(interface.service_id))
    others = sorted({queue.decode() for queue in held} - set(queues_of(interface)))
    return [*queues_of(interface), *others]


def list_queues() -> Steps[list[AbilityLoad]]:
    """Lists the queues of all abilities; high and low lanes only if they hold jobs or are paused."""
    loads = []
    for raw in (yield ("HVALS", ABILITIES)):
        interface = Interface.decode(raw)
        service_id = interface.service_id
        queues = []
        for queue in (yield from known_queues(interface)):
            jobs = yield ("LLEN", queue)
            is_paused = yield ("HEXISTS", line_key(queue), "paused")
            if jobs or is_paused or QueueName.parse(queue).lane == NORMAL:
                queues.append(QueueState(queue, jobs, bool(is_paused)))
        open_jobs = yield ("ZCARD", open_key(service_id))
        open_bytes = yield ("HGET", load_key(service_id), "bytes")
        loads.append(AbilityLoad(service_id, open_jobs, int(open_bytes or 0), tuple(queues)))
    return sorted(loads, key=lambda load: load.service_id)


def pause_queues(names: Iterable[str], pause: bool) -> Steps[list[str]]:
    """Pauses queues, or lets them go on. Returns them.

    An ability's name stands for all its queues, the name of a queue for all of its lanes.

    Raises:
        NotFoundError: there is no such queue or ability.
    """
    queues = yield from _find_queues(names)
    yield PAUSE.call(queues, ("1" if pause else "0",))
    return queues


def purge_queues(names: Iterable[str]) -> Steps[int]:
    """Cancels all jobs that wait in queues; returns how many there were.

    Raises:
        NotFoundError: there is no such queue or ability.
    """
    canceled = 0
    for queue in (yield from _find_queues(names)):
        # What comes in meanwhile is not purged, or this might never end.
        left = yield ("LLEN", queue)
        while left > 0:
            removed, ended = yield PURGE.call((queue,), (min(left, PURGE_AT_ONCE), PURGED))
            canceled += ended
            left = left - removed if removed else 0
    return canceled


def _find_queues(names: Iterable[str]) -> Steps[list[str]]:
    known: dict[str, list[str]] = {}
    for raw in (yield ("HVALS", ABILITIES)):
        interface = Interface.decode(raw)
        queues = yield from known_queues(interface)
        known[interface.service_id] = queues
        for queue in queues:
            parsed = QueueName.parse(queue)
            known.setdefault(str(replace(parsed, lane=NORMAL)), []).append(queue)
            if parsed.lane != NORMAL:
                known[queue] = [queue]
    found: list[str] = []
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"there is no queue or ability {name!r}; there are: {', '.join(sorted(known))}"
            )
        found += known[name]
    return found


@dataclass(frozen=True)
class WorkerState:
    """A worker as operators see it; `order` is what an operator wants of it, "" for nothing."""

    entry: WorkerEntry
    held_jobs: int
    beat: int
    order: str


def list_workers() -> Steps[tuple[list[WorkerState], list[str]]]:
    """Lists the workers that serve, and the names of those that are drained."""
    entries = [WorkerEntry.decode(raw) for raw in (yield ("HVALS", WORKERS))]
    beats = pairs((yield ("HGETALL", BEATS)))
    orders = {name.decode(): order.decode() for name, order in pairs((yield ("HGETALL", ORDERS))).items()}
    states = []
    for entry in sorted(entries, key=lambda entry: entry.name):
        held = yield ("HLEN", inflight_key(entry.incarnation))
        beat = int(beats.get(entry.incarnation.encode(), 0))
        states.append(WorkerState(entry, held, beat, orders.get(entry.name, "")))
    serving = {entry.name for entry in entries}
    return states, sorted(orders.keys() - serving)


def list_hosts() -> Steps[list[HostReport]]:
    """Lists what supervisors tell of their hosts."""
    reports = [HostReport.decode(raw) for raw in (yield ("HVALS", HOSTS))]
    return sorted(reports, key=lambda report: report.host)


def order_workers(names: Iterable[str], order: str) -> Steps[list[str]]:
    """Leaves an order to workers' supervisors, who read it within a second; "" takes it back.

    Raises:
        NotFoundError: there is no such worker.
    """
    workers, drained = yield from list_workers()
    known = {worker.entry.name for worker in workers} | set(drained)
    names = list(names)
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"there is no worker {name!r}; there are: {', '.join(sorted(known)) or 'none'}"
            )
    for name in names:
        yield ("HSET", ORDERS, name, order) if order else ("HDEL", ORDERS, name)
    return names
