"""What a supervisor tells of its host with its heartbeats: GPUs, and the workers on them."""

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from athena.devices.inventory import GpuDevice, Inventory

#: A report that is older is not the present any more. Clocks of hosts may differ by less than this.
STALE_AFTER_S = 30.0

#: States of workers that others than people ask for.
LOADING, SERVING = "loading", "serving"

#: State of a worker whose process was found broken, until the next one is started.
BROKEN = "broken"


@dataclass(frozen=True)
class WorkerStatus:
    """One worker.

    Attributes:
        state: loading, serving, stopping, drained, broken or down.
        unbatched: why it runs each job in a call of its own although it could batch; "" if it does not.
    """

    name: str
    service_id: str
    gpu_type: str
    gpu_id: str
    state: str
    unbatched: str = ""


@dataclass(frozen=True)
class HostReport:
    """What one supervisor knows.

    Attributes:
        told_ms: when it was told, milliseconds since 1970 on the host's clock.
        read_ms: when the GPUs were read last, likewise.
        devices: what workers can be pinned to.
        version: of Athena Serving there; "" for one that does not tell it yet.
    """

    host: str
    told_ms: int
    read_ms: int
    inventory: Inventory
    devices: tuple[GpuDevice, ...] = ()
    workers: tuple[WorkerStatus, ...] = ()
    version: str = ""

    def age_s(self, wall_clock_s: float) -> float:
        """Returns how long ago it was told."""
        return wall_clock_s - self.told_ms / 1000

    def is_stale(self, wall_clock_s: float) -> bool:
        """Whether its supervisor has fallen silent."""
        return self.age_s(wall_clock_s) > STALE_AFTER_S

    def encode(self) -> bytes:
        """Returns the report as JSON."""
        document = asdict(self)
        # Left out where it says nothing: so observers see at a glance whether it is there.
        document["workers"] = [_without_empty(item, "unbatched") for item in document["workers"]]
        return orjson.dumps(document)

    @classmethod
    def decode(cls, raw: bytes) -> "HostReport":
        """Reads what `encode` wrote; members of a later version are ignored."""
        document = orjson.loads(raw)
        return cls(
            host=str(document["host"]),
            told_ms=int(document["told_ms"]),
            read_ms=int(document["read_ms"]),
            inventory=Inventory.decode(orjson.dumps(document["inventory"])),
            devices=tuple(_known(GpuDevice, item) for item in document["devices"]),
            workers=_statuses(document),
            version=str(document.get("version", "")),
        )


def loading_workers(raw: bytes, wall_clock_s: float) -> tuple[WorkerStatus, ...]:
    """Returns the workers that a report shows as loading; none if it is stale.

    Observers read all reports every few seconds, so this looks at no more than it must.
    """
    return tuple(item for item in _told(raw, wall_clock_s, LOADING.encode()) if item.state == LOADING)


def unbatched_workers(raw: bytes, wall_clock_s: float) -> tuple[WorkerStatus, ...]:
    """Returns the workers that run no more batches, likewise."""
    return tuple(item for item in _told(raw, wall_clock_s, b'"unbatched"') if item.unbatched)


def _told(raw: bytes, wall_clock_s: float, mark: bytes) -> tuple[WorkerStatus, ...]:
    """Returns the workers of a report, if it holds the mark and is not stale."""
    if mark not in raw:
        return ()
    document = orjson.loads(raw)
    is_stale = wall_clock_s - document["told_ms"] / 1000 > STALE_AFTER_S
    return () if is_stale else _statuses(document)


def _without_empty(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name or value}


def _statuses(document: dict[str, Any]) -> tuple[WorkerStatus, ...]:
    statuses = tuple(_known(WorkerStatus, item) for item in document["workers"])
    if not all(isinstance(value, str) for status in statuses for value in vars(status).values()):
        raise TypeError("a worker is described by texts")
    return statuses


def _known(cls: Any, item: dict[str, Any]) -> Any:
    return cls(**{name: value for name, value in item.items() if name in cls.__dataclass_fields__})
