"""Which queue a request goes to, by its scheduling hints and the workers that are alive. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from athena.devices.inventory import label_key
from athena.errors import UnservedError
from athena.fleet.worker_entry import WorkerEntry
from athena.jobs.queues import ANY, is_gpu_id, queue_name
from athena.protocol.enums import NORMAL
from athena.protocol.interface import Interface
from athena.store.fencing import Rerouting

#: Values of `gpu_id` that pin a request to nothing.
NO_PIN = frozenset({"", "first", ANY})

#: When a request may be tried again that no worker can run now.
RETRY_AFTER_S = 5


class Hints(NamedTuple):
    """What a request says about where it wants to run.

    Attributes:
        gpu_type: a type in any case of letters, or "" or `any` for no wish.
        gpu_id: the UUID of a GPU, its number among the live ones of the type, or one of `NO_PIN`; likewise.
        lane: `header.priority`.
    """

    gpu_type: str = ""
    gpu_id: str = ""
    lane: str = NORMAL

    @classmethod
    def of(cls, params: Mapping[str, str], header: Mapping[str, Any], aliases: Mapping[str, str]) -> "Hints":
        """Reads the hints of a valid request; a type may be named by its alias or by what it replaces."""
        gpu_type = params.get("gpu_type", "").strip()
        original = _as_written(gpu_type, aliases)
        return cls(
            aliases.get(original, gpu_type),
            params.get("gpu_id", "").strip(),
            header.get("priority") or NORMAL,
        )


def _as_written(name: str, known: Collection[str]) -> str:
    """Returns the known name that differs in the case of its letters at most; else the name itself."""
    if not name or name in known:
        return name
    return next((other for other in known if other.lower() == name.lower()), name)


class Route(NamedTuple):
    """Where a request goes.

    Attributes:
        home: where it goes when the GPU to which it is pinned is lost; "" without a pin.
    """

    queue: str
    home: str = ""


def route(interface: Interface, alive: Sequence[WorkerEntry], hints: Hints) -> Route:
    """Returns where a request goes.

    Args:
        interface: the ability.
        alive: its live workers; none for an ability whose workers are away for a moment.
        hints: of the request.

    Raises:
        UnservedError: what the hints name is not alive, and the ability allows nothing else.
    """
    hints = _cleaned(interface, alive, hints)
    target = _target(interface, alive, hints)
    home = (hints.gpu_type or ANY) if is_gpu_id(target) else ""
    return Route(queue_name(interface.service_id, target, hints.lane), home)


def _cleaned(interface: Interface, alive: Sequence[WorkerEntry], hints: Hints) -> Hints:
    """Returns hints with their type as it is written here, "" for no wish and for no pin."""
    if not hints.gpu_type and not hints.gpu_id:
        return hints
    gpu_type = _as_written(hints.gpu_type, [*(worker.gpu_type for worker in alive), *interface.gpu_types])
    return hints._replace(
        gpu_type="" if gpu_type.lower() == ANY else gpu_type,
        gpu_id="" if hints.gpu_id.lower() in NO_PIN else hints.gpu_id,
    )


def _target(interface: Interface, alive: Sequence[WorkerEntry], hints: Hints) -> str:
    if hints.gpu_id:
        pinned = _pinned(alive, hints.gpu_type, hints.gpu_id)
        if pinned:
            return pinned
        if not interface.fallback:
            raise _no_such_gpu(interface, alive, hints)
    if not hints.gpu_type:
        return ANY
    types = {worker.gpu_type for worker in alive}
    # While no worker is alive nobody knows which ones come back; jobs whose type stays away are moved.
    if hints.gpu_type in (types or interface.gpu_types):
        return hints.gpu_type
    if interface.fallback:
        return fallback_target(interface, types)
    raise UnservedError(
        f"{interface.service_id} has no worker of type {hints.gpu_type} and allows no other; "
        f"alive: {', '.join(sorted(types)) or 'none'}",
        retry_after_s=RETRY_AFTER_S,
    )


def fallback_target(interface: Interface, types: set[str]) -> str:
    """Returns the first type of the ability's order that is alive; `any` if none of them is."""
    return next((gpu_type for gpu_type in interface.gpu_types if gpu_type in types), ANY)


def gpus_in_host_order(alive: Sequence[WorkerEntry], gpu_type: str = "") -> list[str]:
    """Returns the UUIDs of the live GPUs of a type, or of all types, host by host."""
    found = {
        (worker.host, label_key(worker.gpu_label), worker.gpu_id)
        for worker in alive
        if worker.gpu_id and gpu_type in ("", worker.gpu_type)
    }
    return [gpu_id for _, _, gpu_id in sorted(found)]


def _pinned(alive: Sequence[WorkerEntry], gpu_type: str, gpu_id: str) -> str:
    gpus = gpus_in_host_order(alive, gpu_type)
    # `isdigit` alone takes a raised 2 for a digit, and `int` does not.
    if gpu_id.isascii() and gpu_id.isdigit():
        # No host has so many GPUs, and `int` refuses numbers of thousands of digits.
        index = int(gpu_id) if len(gpu_id) < 9 else len(gpus)
        return gpus[index] if index < len(gpus) else ""
    wanted = gpu_id.lower()
    return next((known for known in gpus if known.lower() == wanted and is_gpu_id(known)), "")


def _no_such_gpu(interface: Interface, alive: Sequence[WorkerEntry], hints: Hints) -> UnservedError:
    gpus = ", ".join(gpus_in_host_order(alive, hints.gpu_type)) or "none"
    types = ", ".join(sorted({worker.gpu_type for worker in alive})) or "none"
    of_type = f" of type {hints.gpu_type}" if hints.gpu_type else ""
    return UnservedError(
        f"{interface.service_id} has no worker on GPU {hints.gpu_id}{of_type} and allows no other; "
        f"GPUs{of_type} alive: {gpus}; types alive: {types}",
        retry_after_s=RETRY_AFTER_S,
    )


def rerouting(interface: Interface, alive: Sequence[WorkerEntry], loading: Iterable[str] = ()) -> Rerouting:
    """Returns what becomes of jobs that no live worker takes, by the rule for new requests.

    Args:
        interface: the ability.
        alive: its workers that are alive, or were a moment ago.
        loading: the targets of workers that are about to serve.
    """
    types = {worker.gpu_type for worker in alive}
    live = frozenset({*types, *(worker.gpu_id for worker in alive if worker.gpu_id), *loading, ANY})
    target = fallback_target(interface, types) if alive and interface.fallback else ""
    return Rerouting(live, target)
