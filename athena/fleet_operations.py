"""What operators do with queues and workers: list, pause, purge, drain, restart."""

from collections.abc import Iterable
from dataclasses import dataclass

from athena.errors import NotFoundError
from athena.fleet import WorkerEntry
from athena.interface import Interface
from athena.janitor import queues_of
from athena.keys import (
    ABILITIES,
    BEATS,
    ORDERS,
    WORKERS,
    inflight_key,
    line_key,
    load_key,
    open_key,
)
from athena.script import PAUSE, PURGE
from athena.steps import Steps
from athena.store import (
    pairs,
)

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


def list_queues() -> Steps[list[AbilityLoad]]:
    """Lists the queues of all abilities that were ever registered."""
    loads = []
    for raw in (yield ("HVALS", ABILITIES)):
        interface = Interface.decode(raw)
        service_id = interface.service_id
        queues = []
        for queue in queues_of(interface):
            jobs = yield ("LLEN", queue)
            is_paused = yield ("HEXISTS", line_key(queue), "paused")
            queues.append(QueueState(queue, jobs, bool(is_paused)))
        open_jobs = yield ("ZCARD", open_key(service_id))
        open_bytes = yield ("HGET", load_key(service_id), "bytes")
        loads.append(AbilityLoad(service_id, open_jobs, int(open_bytes or 0), tuple(queues)))
    return sorted(loads, key=lambda load: load.service_id)


def pause_queues(names: Iterable[str], pause: bool) -> Steps[list[str]]:
    """Pauses queues, or lets them go on; an ability's name stands for all its queues. Returns the queues.

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
        queues = queues_of(interface)
        known[interface.service_id] = queues
        known.update({queue: [queue] for queue in queues})
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
