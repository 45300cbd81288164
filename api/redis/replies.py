"""Replies of Redis as they come, many at a time; redis-py reads one with each call."""

import asyncio
from typing import Any

import hiredis
from redis._parsers import BaseParser
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import InvalidResponse, ResponseError

from athena.store.connections import demoted_error, was_demoted

READ_BYTES = 262_144


class RedisReplies:
    """Reads a connection that redis-py has made; nobody else may read from it any more."""

    def __init__(self, connection: AbstractConnection) -> None:
        self._stream = connection._reader
        self._parser = hiredis.Reader(protocolError=InvalidResponse, replyError=BaseParser.parse_error)

    async def next(self, timeout_s: float | None = None) -> list[Any]:
        """Waits for replies and returns all that are there; a refusal is an exception in the list.

        Raises:
            redis.ConnectionError: the connection ended, or the server became a replica.
            TimeoutError: nothing came in time.
        """
        if timeout_s is None:
            return await self._next()
        async with asyncio.timeout(timeout_s):
            return await self._next()

    async def _next(self) -> list[Any]:
        replies: list[Any] = []
        while not replies:
            assert self._stream is not None
            data = await self._stream.read(READ_BYTES)
            if not data:
                raise RedisConnectionError("Redis closed the connection")
            self._parser.feed(data)
            # None, 0 and an empty list are replies; False says that the next one is not whole yet.
            while (reply := self._parser.gets()) is not False:
                if isinstance(reply, ResponseError) and was_demoted(reply):
                    raise demoted_error() from reply
                replies.append(reply)
        return replies
