"""A request's body, and how much of all bodies a gateway holds."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from athena.errors import BodyTooLargeError, Problem, QueueFullError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

#: After a refusal, how much and how long is still read and thrown away, so that a caller who sends first
#: and reads later gets to see the answer.
DRAIN_BYTES = 256 * 1024 * 1024
DRAIN_S = 5.0


class Disconnected(Exception):
    """The caller went away before the answer was ready."""


class ByteBudget:
    """How many bytes of requests a gateway holds at once, until their jobs are in Redis.

    A request always fits while nothing else is held.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, size_bytes: int, own_bytes: int = 0) -> None:
        """Makes room for so many bytes of a request that holds `own_bytes` already.

        Raises:
            QueueFullError: others hold too much.
        """
        others_bytes = self.held_bytes - own_bytes
        if others_bytes and self.held_bytes + size_bytes > self._limit_bytes:
            raise QueueFullError(
                f"the gateway holds {others_bytes} bytes of other requests, as many as it may "
                "(ATHENA_MAX_HELD_BYTES); try again",
                retry_after_s=1,
            )
        self.held_bytes += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Takes a request out again."""
        self.held_bytes -= size_bytes


class RequestBody:
    """A request's body, read when the view asks for it.

    Args:
        receive: ASGI's.
        content_length: how long the caller says it is.
        budget: of all requests together.
    """

    def __init__(self, receive: Receive, content_length: int | None, budget: ByteBudget) -> None:
        self._receive = receive
        self._content_length = content_length
        self._budget = budget
        self._claimed_bytes = 0
        self._data: bytes | None = None
        self.is_complete = False

    @property
    def content_length(self) -> int | None:
        """How long the caller says it is."""
        return self._content_length

    async def read(self, limit_bytes: int) -> bytes:
        """Reads the body, or returns what was read before.

        Raises:
            BodyTooLargeError: it is over the limit; what is left of it was not read.
            QueueFullError: the gateway holds too many bytes of other requests.
            Disconnected: the caller went away while sending.
        """
        if self._data is None:
            self._data = await self._read(limit_bytes)
        return self._data

    def release(self) -> None:
        """Forgets the body: its job is in Redis, or never will be."""
        self._data = None
        self._budget.give_back(self._claimed_bytes)
        self._claimed_bytes = 0

    async def _read(self, limit_bytes: int) -> bytes:
        if self._content_length is not None and self._content_length > limit_bytes:
            raise _too_large(limit_bytes)
        parts: list[bytes] = []
        message: Message = {"more_body": True}
        while message.get("more_body", False):
            message = await self._next()
            part = message.get("body", b"")
            parts.append(part)
            # A body of one part is whole even if it is refused now.
            self.is_complete = not message.get("more_body", False)
            self._claim(len(part), limit_bytes)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _claim(self, size_bytes: int, limit_bytes: int) -> None:
        if self._claimed_bytes + size_bytes > limit_bytes:
            raise _too_large(limit_bytes)
        self._budget.take(size_bytes, self._claimed_bytes)
        self._claimed_bytes += size_bytes

    async def until_disconnect(self) -> None:
        """Returns when the caller goes away; to be called after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def drain(self) -> None:
        """Reads and throws away what is left, within bounds."""
        left = DRAIN_BYTES
        with contextlib.suppress(Disconnected, asyncio.TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while left > 0:
                    message = await self._next()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body", False):
                        return

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message


def _too_large(limit_bytes: int) -> BodyTooLargeError:
    problem = Problem("", f"may have at most {limit_bytes} bytes")
    return BodyTooLargeError("the request's body is too large", problems=(problem,))
