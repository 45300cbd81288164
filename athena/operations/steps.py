"""Operations as steps that know nothing of connections.

Each is a generator: it yields a command and is sent its answer, or a list of commands that do not need each
other and is sent the list of their answers, and returns its result. `run_steps` runs one over a blocking
connection, `run_steps_together` over one where a list is one round trip, and so does `run_steps_async` over a
gateway's.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Sequence
from typing import Any, NamedTuple, TypeVar

from redis.exceptions import ResponseError

from athena.errors import StoreError
from athena.store.scripts import Command

T = TypeVar("T")


class Attempt(NamedTuple):
    """A command that Redis may refuse: the error is its answer then, and ends nothing."""

    command: Command


Step = Command | Attempt
Steps = Generator[Step | list[Step], Any, T]


def run_steps(steps: Steps[T], execute: Callable[[Command], Any]) -> T:
    """Runs an operation to its end; what `execute` raises ends it."""

    def run(step: Step) -> Any:
        if not isinstance(step, Attempt):
            return execute(step)
        try:
            return execute(step.command)
        except ResponseError as refusal:
            return refusal

    return _drive(steps, lambda items: list(map(run, items)))


def run_steps_together(steps: Steps[T], run: Callable[[Sequence[Command]], Sequence[Any]]) -> T:
    """Runs an operation to its end; each list is one round trip.

    Args:
        steps: the operation.
        run: sends commands and returns their replies, a refused command's error in its place.

    Raises:
        redis.ResponseError: a command was refused that is no attempt; what `run` raises ends it, too.
    """

    def answer(items: Sequence[Step]) -> list[Any]:
        replies = run([item.command if isinstance(item, Attempt) else item for item in items])
        for item, reply in zip(items, replies, strict=True):
            if isinstance(reply, Exception) and not isinstance(item, Attempt):
                raise reply
        return list(replies)

    return _drive(steps, answer)


def _drive(steps: Steps[T], answer: Callable[[Sequence[Step]], list[Any]]) -> T:
    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            result: T = stop.value
            return result
        reply = answer(step) if isinstance(step, list) else answer([step])[0]


async def run_steps_async(steps: Steps[T], execute: Callable[[Command], Awaitable[Any]]) -> T:
    """Runs an operation to its end; what `execute` raises ends it, refused attempts apart."""

    async def run(step: Step) -> Any:
        if not isinstance(step, Attempt):
            return await execute(step)
        try:
            return await execute(step.command)
        except StoreError as refusal:
            return refusal

    reply: Any = None
    while True:
        try:
            step = steps.send(reply)
        except StopIteration as stop:
            result: T = stop.value
            return result
        reply = await asyncio.gather(*map(run, step)) if isinstance(step, list) else await run(step)
