"""What a gateway tells of itself, about once a second."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import orjson

from athena.fleet.registry import readable
from athena.store.scripts import TELL, Arg, Command

#: A gateway that has told nothing for so long is dead, or cannot reach Redis.
SILENT_AFTER_S = 10.0


#: What `isinstance` is asked for in place of a field's type.
_TYPES: dict[Any, Any] = {float: (int, float), Mapping[str, float]: dict}


@dataclass(frozen=True)
class GatewayReport:
    """How a gateway is.

    Attributes:
        address: host and port.
        is_ready: what `GET /readyz` says.
        lag_s: by how much its event loop was late at worst, since it told last.
        waiting_callers: who waits for the end of a job.
        connections: open ones.
        held_bytes: of requests whose jobs are not in Redis yet.
        held_limit_bytes: how many it may hold.
        process: figures of its process, by the names that Prometheus has; an older version tells none.
    """

    address: str
    version: str
    is_ready: bool
    lag_s: float
    waiting_callers: int
    connections: int
    held_bytes: int
    held_limit_bytes: int
    process: Mapping[str, float] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Returns the report as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> "GatewayReport":
        """Reads what `encode` wrote; members of a later version are ignored.

        Raises:
            ValueError, TypeError, KeyError: it was not written by a gateway.
        """
        document = {"process": {}, **orjson.loads(raw)}
        report = cls(**{item.name: document[item.name] for item in fields(cls)})
        for item in fields(report):
            wanted = _TYPES.get(item.type, item.type)
            if not isinstance(getattr(report, item.name), wanted):
                raise TypeError(f"{item.name} has the wrong type")
        if not all(isinstance(value, int | float) for value in report.process.values()):
            raise TypeError("process has the wrong type")
        return report


def tell_command(
    gateway: str, number: int, report: GatewayReport, changes: Iterable[tuple[str, str, int]]
) -> Command:
    """Tells how a gateway is, and what it has counted: ability, field of `books.counts`, how many.

    Args:
        gateway: the id of its process.
        number: one more each time; what is told again under the same number counts once.
        report: how it is.
        changes: what it has counted since the number before.
    """
    args: list[Arg] = [gateway, number, report.encode()]
    for change in changes:
        args += change
    return TELL.call((), args)


def present_gateways(raw: Mapping[bytes, bytes], now_ms: int) -> list[tuple[GatewayReport, bool]]:
    """Returns the gateways that have told of themselves, and whether each lives; of an address the last word.

    Args:
        raw: what Redis holds of them.
        now_ms: on the clock of Redis.
    """
    # A gateway that follows another on its address has an id of its own: the one before is not one that is
    # missing, so the last word of an address is what counts.
    told = sorted((item for _, item in readable(raw, _decode)), key=lambda item: item[0])
    latest = {report.address: (report, now_ms - at_ms <= SILENT_AFTER_S * 1000) for at_ms, report in told}
    return list(latest.values())


def _decode(raw: bytes) -> tuple[int, GatewayReport]:
    at_ms, _, document = raw.split(b" ", 2)
    return int(at_ms), GatewayReport.decode(document)
