"""A small HTTP client for many requests at once: it takes little time, so that the server has the cores."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass
from urllib.parse import urlsplit

Headers = tuple[tuple[str, str], ...]

#: A connection is used again within this time; the gateway closes idle ones later.
KEPT_S = 2.0

MAX_HEAD_BYTES = 65536


class BrokenError(Exception):
    """A connection broke, or what came is no answer of HTTP/1.1 with a length."""


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    content: bytes


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.is_reusable = True
        self.used_s = 0.0

    async def ask(self, request: bytes) -> Answer:
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if "content-length" not in fields:
            raise BrokenError(f"an answer without a length: {first}")
        content = await self._reader.readexactly(int(fields["content-length"]))
        self.is_reusable = fields.get("connection", "").lower() != "close"
        return Answer(int(first.split(" ")[1]), content)

    def close(self) -> None:
        self._writer.close()


class Client:
    """Makes requests to one server, each on a connection that no other uses at that time."""

    def __init__(self, url: str, timeout_s: float) -> None:
        where = urlsplit(url)
        self._host, self._port = where.hostname or "", where.port or 80
        self._name = where.netloc
        self._timeout_s = timeout_s
        self._idle: deque[_Connection] = deque()

    async def ask(self, method: str, path: str, headers: Headers = (), body: bytes = b"") -> Answer:
        """Makes one request.

        Raises:
            TimeoutError: it was not answered in time.
            BrokenError: the connection broke.
        """
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self._name}\r\n{fields}Content-Length: {len(body)}\r\n\r\n"
        )
        async with asyncio.timeout(self._timeout_s):
            try:
                return await self._ask(head.encode() + body)
            except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
                raise BrokenError(str(error) or type(error).__name__) from error

    def close(self) -> None:
        """Closes what is open."""
        while self._idle:
            self._idle.popleft().close()

    async def _ask(self, request: bytes) -> Answer:
        connection = await self._connection()
        try:
            answer = await connection.ask(request)
        except BaseException:
            connection.close()
            raise
        if connection.is_reusable:
            connection.used_s = time.monotonic()
            self._idle.append(connection)
        else:
            connection.close()
        return answer

    async def _connection(self) -> _Connection:
        oldest_s = time.monotonic() - KEPT_S
        while self._idle and self._idle[0].used_s < oldest_s:
            self._idle.popleft().close()
        if self._idle:
            return self._idle.pop()
        return _Connection(*await asyncio.open_connection(self._host, self._port, limit=MAX_HEAD_BYTES))
