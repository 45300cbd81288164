"""Figures of this process, by the names that Prometheus has for them."""

import time

from prometheus_client.process_collector import ProcessCollector

#: Not oftener: it counts open files, which takes milliseconds where there are very many.
_LOOK_S = 5.0


class ProcessFigures:
    """Looks at this process now and then."""

    def __init__(self) -> None:
        self._collector = ProcessCollector(registry=None)
        self._looked_s = float("-inf")
        self._found: dict[str, float] = {}

    def read(self) -> dict[str, float]:
        """Returns the figures, from a moment ago."""
        now_s = time.monotonic()
        if now_s - self._looked_s >= _LOOK_S:
            self._looked_s = now_s
            self._found = {
                sample.name: sample.value for family in self._collector.collect() for sample in family.samples
            }
        return self._found
