"""Event loops for wrappers that use asyncio: each thread that calls one has its own."""

import asyncio
import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_of_thread = threading.local()


@contextmanager
def event_loop() -> Iterator[None]:
    """Gives this thread a loop, for `asyncio.get_event_loop()`, until the end of the block."""
    thread_loop()
    try:
        yield
    finally:
        loop, _of_thread.loop = _of_thread.loop, None
        asyncio.set_event_loop(None)
        loop.close()


def thread_loop() -> asyncio.AbstractEventLoop:
    """Returns this thread's loop, a new one where there is none, or where a wrapper has closed it."""
    loop: asyncio.AbstractEventLoop | None = getattr(_of_thread, "loop", None)
    if loop is None or loop.is_closed():
        loop = _of_thread.loop = asyncio.new_event_loop()
    # `asyncio.run` leaves a thread without one.
    asyncio.set_event_loop(loop)
    return loop


def has_closed_loop() -> bool:
    """Whether this thread had a loop by `event_loop` that a call has closed."""
    loop: asyncio.AbstractEventLoop | None = getattr(_of_thread, "loop", None)
    return loop is not None and loop.is_closed()


def renew_loop() -> None:
    """Gives a thread that had a loop by `event_loop` one again, if a call has closed or hidden it."""
    if getattr(_of_thread, "loop", None) is not None:
        thread_loop()


def called_plainly(method: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that is called like any other, for one that may be an `async def`."""
    if not inspect.iscoroutinefunction(method):
        return method

    @functools.wraps(method)
    def run(*args: Any, **named: Any) -> Any:
        return thread_loop().run_until_complete(method(*args, **named))

    return run
