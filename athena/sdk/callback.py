"""How a wrapper hands in results that do not come as a return value."""

from collections.abc import Callable
from typing import Any

Sink = Callable[[Any, str, str | None], int]

_sink: Sink | None = None


def set_sink(sink: Sink | None) -> None:
    """Sends results to `sink` from now on; workers do this before they load a wrapper."""
    global _sink
    _sink = sink
