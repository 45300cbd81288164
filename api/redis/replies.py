"""Replies of Redis, told as they come, from the callbacks of the connection."""

import asyncio
from collections.abc import Callable
from typing import Any

import hiredis
from redis._parsers import BaseParser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError

from athena.store.connections import demoted_error, was_demoted


class RedisReplies(asyncio.Protocol):
    """Reads a connection that redis-py has made; nobody else may read from it any more.

    A task that waits for what comes would cost each reply another turn of the loop.

    Args:
        connection: it; what was asked over it before is answered.
        on_reply: called with each reply; a refusal is an exception.

    Attributes:
        heard_s: when something came last, on the loop's clock.
    """

    def __init__(self, connection: AbstractConnection, on_reply: Callable[[Any], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_reply = on_reply
        self._parser = hiredis.Reader(protocolError=InvalidResponse, replyError=BaseParser.parse_error)
        self._end: asyncio.Future[None] = self._loop.create_future()
        self.heard_s = self._loop.time()
        writer = connection._writer
        if writer is None or writer.is_closing():
            raise _closed()
        transport: Any = writer.transport
        # It wants to know when it may write, and when all is over.
        self._writers_protocol: Any = transport.get_protocol()
        transport.set_protocol(self)

    async def until_end(self, timeout_s: float | None = None) -> None:
        """Returns when the time is over.

        Raises:
            redis.ConnectionError: the connection ended, or the server became a replica.
        """
        await asyncio.wait((self._end,), timeout=timeout_s)
        if self._end.done():
            self._end.result()

    # What the loop calls.

    def data_received(self, data: bytes) -> None:
        """Called with what has come."""
        if self._end.done():
            return
        self.heard_s = self._loop.time()
        try:
            self._parser.feed(data)
            # None, 0 and an empty list are replies; False says that the next one is not whole yet.
            while (reply := self._parser.gets()) is not False:
                if isinstance(reply, ResponseError) and was_demoted(reply):
                    raise demoted_error() from reply
                self._on_reply(reply)
        except Exception as error:
            self._fail(error)

    def eof_received(self) -> bool:
        """Called when Redis has closed the connection."""
        self._fail(_closed())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Called when the connection is gone."""
        self._fail(_closed())
        self._writers_protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        """Called when Redis does not take what is written."""
        self._writers_protocol.pause_writing()

    def resume_writing(self) -> None:
        """Called when it does again."""
        self._writers_protocol.resume_writing()

    def _fail(self, error: Exception) -> None:
        if not self._end.done():
            self._end.set_exception(error)
            # Whoever waits for it may be gone.
            self._end.exception()


def _closed() -> RedisConnectionError:
    return RedisConnectionError("Redis closed the connection")
