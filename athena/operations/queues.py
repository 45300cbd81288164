"""What operators do with queues and workers: list, pause, purge, drain, restart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from athena.errors import AbilityInUseError, NotFoundError
from athena.fleet.host_report import HostReport
from athena.fleet.registry import readable
from athena.fleet.view import Failure
from athena.fleet.worker_entry import WorkerEntry
from athena.fleet.worker_orders import ORDER_DRAIN
from athena.jobs.queues import ANY, QueueName, queues_of_targets
from athena.operations.steps import Steps
from athena.operations.traffic import forget_share
from athena.protocol.enums import NORMAL
from athena.protocol.interface import Interface
from athena.store.keys import (
    ABILITIES,
    BEATS,
    FAILURES,
    HOSTS,
    ORDERS,
    SIZES,
    WORKERS,
    inflight_key,
    job_key,
    line_key,
    load_key,
    open_key,
    queues_key,
)
from athena.store.scripts import FORGET, PAUSE, PURGE, RECALL, pairs

#: How many messages one purge script removes: Redis serves nobody else meanwhile.
PURGE_AT_ONCE = 500

#: Gateways and supervisors look once a second; one that was cut off for longer than this starts anew.
FORGOTTEN_TTL_MS = 86_400_000

FORGOTTEN_REASON = "canceled: an operator had the ability forgotten"

#: So many workers are named in a message.
MOST_NAMED = 5

PURGED = "canceled: an operator purged the queue"


@dataclass(frozen=True)
class QueueState:
    """A queue as operators see it; `waits` is why workers leave it alone, "" if they do not."""

    name: str
    jobs: int
    is_paused: bool
    waits: str = ""


@dataclass(frozen=True)
class AbilityLoad:
    """What the open jobs of an ability amount to."""

    service_id: str
    open_jobs: int
    open_bytes: int
    queues: tuple[QueueState, ...]


def list_abilities() -> Steps[list[Interface]]:
    """Lists the interfaces of all abilities that were ever registered."""
    raw = pairs((yield ("HGETALL", ABILITIES)))
    interfaces = (interface for _, interface in readable(raw, Interface.decode))
    return sorted(interfaces, key=lambda interface: interface.service_id)


def forget_ability(service_id: str, force: bool = False) -> Steps[int]:
    """Forgets an ability that is served no more; returns how many open jobs were canceled for that.

    Args:
        service_id: the ability.
        force: whether to do it though a worker serves it, which registers it again when it is restarted, or
            though it has jobs, which are canceled.

    Raises:
        NotFoundError: there is no such ability.
        AbilityInUseError: a worker serves it, or it has jobs.
    """
    if not force:
        yield from _check_retired(service_id)
    known = yield from known_queues((yield from list_abilities()))
    canceled = 0
    args = (service_id, "1" if force else "0", FORGOTTEN_REASON, FORGOTTEN_TTL_MS)
    while True:
        word, open_jobs, messages = yield FORGET.call(known.get(service_id, ()), args)
        # Each call tells how many were open before it, so the first tells of all.
        canceled = max(canceled, int(open_jobs))
        if word == b"forgotten":
            yield from forget_share(service_id)
            return canceled
        if word == b"unknown":
            raise NotFoundError(f"there is no ability {service_id!r}; there are: {', '.join(sorted(known))}")
        if word == b"held":
            raise AbilityInUseError(
                f"{service_id} has {open_jobs} open jobs and {messages} messages in its queues; "
                "wait for them, purge its queues, or force it"
            )


def _check_retired(service_id: str) -> Steps[None]:
    workers = pairs((yield ("HGETALL", WORKERS)))
    names = [
        entry.name for _, entry in readable(workers, WorkerEntry.decode) if entry.service_id == service_id
    ]
    if names:
        shown = ", ".join(sorted(names)[:MOST_NAMED])
        raise AbilityInUseError(f"{len(names)} workers serve {service_id} ({shown}); stop them, or force it")


def known_queues(interfaces: Sequence[Interface]) -> Steps[dict[str, list[str]]]:
    """Returns the queues that each ability may have jobs in, or had, with all lanes of their targets."""
    held = yield [("SMEMBERS", queues_key(interface.service_id)) for interface in interfaces]
    return {
        interface.service_id: _queues_of(interface, (queue.decode(errors="replace") for queue in queues))
        for interface, queues in zip(interfaces, held, strict=True)
    }


def _queues_of(interface: Interface, held: Iterable[str]) -> list[str]:
    others = sorted({QueueName.parse(queue).target for queue in held})
    return queues_of_targets(interface.service_id, (*interface.gpu_types, ANY, *others))


def list_queues(all_lanes: bool = False) -> Steps[list[AbilityLoad]]:
    """Lists the queues of all abilities.

    Args:
        all_lanes: whether high and low lanes are listed that hold no jobs and are not paused.
    """
    known = yield from known_queues((yield from list_abilities()))
    names = [queue for queues in known.values() for queue in queues]
    jobs = yield [("LLEN", queue) for queue in names]
    lines = yield [("HMGET", line_key(queue), "paused", "waits") for queue in names]
    open_jobs = yield [("ZCARD", open_key(service_id)) for service_id in known]
    books = yield [("HGET", load_key(service_id), "bytes") for service_id in known]
    waits = yield from _still_waiting({name: text for name, (_, text) in zip(names, lines, strict=True)})
    states = {
        name: QueueState(name, count, bool(is_paused), waits.get(name, ""))
        for name, count, (is_paused, _) in zip(names, jobs, lines, strict=True)
    }
    return [
        AbilityLoad(
            service_id,
            count,
            int(open_bytes or 0),
            tuple(states[name] for name in known[service_id] if all_lanes or _is_of_interest(states[name])),
        )
        for service_id, count, open_bytes in zip(known, open_jobs, books, strict=True)
    ]


def queue_waits(names: Sequence[str]) -> Steps[dict[str, str]]:
    """Returns why queues wait for other workers than those that looked at them; only those that do."""
    noted = yield [("HGET", line_key(queue), "waits") for queue in names]
    return (yield from _still_waiting(dict(zip(names, noted, strict=True))))


def _still_waiting(noted: Mapping[str, bytes | None]) -> Steps[dict[str, str]]:
    """Returns the reasons that count still: the job that a queue waits for lies in it."""
    reasons = {queue: text.decode(errors="replace").partition(" ") for queue, text in noted.items() if text}
    if not reasons:
        return {}
    heads = yield [("HMGET", job_key(head), "state", "token") for head, _, _ in reasons.values()]
    return {
        queue: reason
        for (queue, (_, _, reason)), (state, token) in zip(reasons.items(), heads, strict=True)
        if state == b"queued" and not token
    }


def _is_of_interest(queue: QueueState) -> bool:
    return bool(queue.jobs) or queue.is_paused or QueueName.parse(queue.name).lane == NORMAL


def pause_queues(names: Iterable[str], pause: bool) -> Steps[list[str]]:
    """Pauses queues, or lets them go on. Returns them.

    An ability's name stands for all its queues, those that it has not got yet included; the name of a queue
    for all of its lanes.

    Raises:
        NotFoundError: there is no such queue or ability.
    """
    verb, names = "1" if pause else "0", list(names)
    # Unknown names are refused before anything is paused.
    yield from _find_queues(names)
    abilities = [name for name in names if "." not in name]
    if abilities:
        # Before the queues are looked up for good: one that appears in between has heard of it already.
        yield PAUSE.call(abilities, (verb,))
    queues = yield from _find_queues(names)
    yield PAUSE.call(queues, (verb,))
    return queues


def purge_queues(names: Iterable[str]) -> Steps[int]:
    """Cancels all jobs that wait in queues; returns how many there were.

    Raises:
        NotFoundError: there is no such queue or ability.
    """
    canceled = 0
    queues = yield from _find_queues(names)
    # Jobs that are to be tried again lie in no queue; without this they would come back after the purge.
    while (yield RECALL.call(sorted({QueueName.parse(queue).service_id for queue in queues}))):
        continue
    for queue in queues:
        # What comes in meanwhile is not purged, or this might never end.
        left = yield ("LLEN", queue)
        while left > 0:
            removed, ended = yield PURGE.call((queue,), (min(left, PURGE_AT_ONCE), PURGED))
            canceled += ended
            left = left - removed if removed else 0
    return canceled


def _find_queues(names: Iterable[str]) -> Steps[list[str]]:
    known: dict[str, list[str]] = {}
    interfaces = yield from list_abilities()
    for service_id, queues in (yield from known_queues(interfaces)).items():
        known[service_id] = queues
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
    told = yield [("HGETALL", key) for key in (WORKERS, BEATS, ORDERS)]
    workers, counters, notes = map(pairs, told)
    entries = sorted(
        (entry for _, entry in readable(workers, WorkerEntry.decode)), key=lambda entry: entry.name
    )
    beats, orders = dict(readable(counters, int)), dict(readable(notes, bytes.decode))
    held = yield [("HLEN", inflight_key(entry.incarnation)) for entry in entries]
    states = [
        WorkerState(entry, jobs, beats.get(entry.incarnation, 0), orders.get(entry.name, ""))
        for entry, jobs in zip(entries, held, strict=True)
    ]
    serving = {entry.name for entry in entries}
    return states, sorted(name for name in orders.keys() - serving if orders[name] == ORDER_DRAIN)


def list_hosts() -> Steps[list[HostReport]]:
    """Lists what supervisors tell of their hosts."""
    raw = pairs((yield ("HGETALL", HOSTS)))
    return sorted((report for _, report in readable(raw, HostReport.decode)), key=lambda report: report.host)


def list_failures() -> Steps[dict[str, Failure]]:
    """Lists by ability why a worker did not start, or was not restarted, however long ago."""
    return dict(readable(pairs((yield ("HGETALL", FAILURES))), Failure.decode))


def pending_orders(names: Sequence[str], order: str) -> Steps[list[str]]:
    """Returns the workers whose supervisors have not come to an order yet."""
    left = yield ("HMGET", ORDERS, *names)
    return [name for name, found in zip(names, left, strict=True) if found == order.encode()]


def order_workers(names: Iterable[str], order: str) -> Steps[list[str]]:
    """Leaves an order to workers' supervisors, who read it within a second; "" takes it back.

    Raises:
        NotFoundError: there is no such worker.
    """
    workers, drained = yield from list_workers()
    hosts = yield from list_hosts()
    # One that does not start is in no registry; its supervisor tells of it.
    told = {status.name for host in hosts for status in host.workers}
    known = {worker.entry.name for worker in workers} | set(drained) | told
    names = list(names)
    for name in names:
        if name not in known:
            raise NotFoundError(
                f"there is no worker {name!r}; there are: {', '.join(sorted(known)) or 'none'}"
            )
    for name in names:
        yield ("HSET", ORDERS, name, order) if order else ("HDEL", ORDERS, name)
    return names


def size_ability(service_id: str, size: int | None) -> Steps[None]:
    """Says how many processes of an ability each host is to run on the CPU; None: what its ability.toml says.

    Raises:
        NotFoundError: there is no such ability.
    """
    known = sorted(key.decode() for key in (yield ("HKEYS", ABILITIES)))
    if service_id not in known:
        raise NotFoundError(f"there is no ability {service_id!r}; there are: {', '.join(known) or 'none'}")
    yield ("HDEL", SIZES, service_id) if size is None else ("HSET", SIZES, service_id, size)
