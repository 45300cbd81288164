"""Operations as steps that know nothing of connections.

Each is a generator: it yields a command and is sent its answer, or a list of commands that do not need each
other and is sent the list of their answers, and returns its result. `run_steps` runs one over a blocking
connection, `Gateway.operate` over the gateway's, where a list is one round trip.
"""

from collections.abc import Callable, Generator
from typing import Any, TypeVar

from athena.store.scripts import Command

T = TypeVar("T")
Steps = Generator[Command | list[Command], Any, T]


def run_steps(steps: Steps[T], execute: Callable[[Command], Any]) -> T:
    """Runs an operation to its end."""
    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            result: T = stop.value
            return result
        reply = [execute(command) for command in step] if isinstance(step, list) else execute(step)
