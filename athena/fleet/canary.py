"""How an ability's example fared that a gateway sent through the queue; all gateways hear of it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from athena.fleet.registry import readable
from athena.protocol.interface import Interface
from athena.protocol.paths import is_side

#: So many in a row are no accident: a worker that was killed under one of them is.
FAILURES_THAT_COUNT = 2

#: What is told of an ability whose canaries fail.
CANARY_FAILING = "canary_failing"


@dataclass(frozen=True)
class CanaryReport:
    """How the last canary of an ability fared of which that is known.

    Attributes:
        at_s: when it came back, or was given up, seconds since 1970.
        took_ms: how long that took.
        detail: what was wrong; "" if it was answered as it must be.
        failures: how many in a row were not.
    """

    at_s: float
    took_ms: float
    detail: str = ""
    failures: int = 0

    @property
    def is_failing(self) -> bool:
        """Whether the ability counts as one that does not answer."""
        return self.failures >= FAILURES_THAT_COUNT

    def followed_by(self, at_s: float, took_ms: float, detail: str) -> "CanaryReport":
        """Returns the report of the next one."""
        return CanaryReport(at_s, took_ms, detail, self.failures + 1 if detail else 0)

    def encode(self) -> bytes:
        """Returns the report as JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, raw: bytes) -> "CanaryReport":
        """Reads what `encode` wrote."""
        document = orjson.loads(raw)
        return cls(
            float(document["at_s"]),
            float(document["took_ms"]),
            str(document["detail"]),
            int(document["failures"]),
        )

    def describe(self) -> dict[str, Any]:
        """Returns the report for callers and operators."""
        return {
            "ok": not self.detail,
            "at_ms": int(self.at_s * 1000),
            "took_ms": self.took_ms,
            "detail": self.detail or None,
            "failures": self.failures,
        }


#: Of an ability whose first canary is still to come.
NO_REPORT = CanaryReport(0, 0)


class CanaryBoard:
    """What one gateway knows of the canaries of all abilities."""

    def __init__(self) -> None:
        self._reports: dict[str, CanaryReport] = {}
        self._wanted: set[str] = set()

    def observe(self, interfaces: Iterable[Interface], raw: Mapping[bytes, bytes]) -> None:
        """Takes in a reading of Redis; reports of abilities that want no canaries any more do not count."""
        self._wanted = {interface.service_id for interface in interfaces if interface.canary is not None}
        found = readable(raw, CanaryReport.decode)
        self._reports = {name: report for name, report in found if name in self._wanted}

    def report(self, service_id: str) -> CanaryReport | None:
        """Returns how an ability's last canary fared; None while nobody knows, or where none is wanted."""
        return self._reports.get(service_id)

    @property
    def reports(self) -> Mapping[str, CanaryReport]:
        """All reports, by ability."""
        return self._reports

    @property
    def failing(self) -> dict[str, str]:
        """The abilities that do not answer their examples, and what was wrong."""
        return {name: report.detail for name, report in sorted(self._reports.items()) if report.is_failing}

    @property
    def is_sound(self) -> bool:
        """Whether requests find their way here: one ability with canaries answers, or none has any."""
        # A version beside the main one may fail: it is there to be tried.
        return all(map(is_side, self._wanted)) or len(self.failing) < len(self._wanted)
