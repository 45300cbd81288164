"""A request's body, and how much of all bodies a gateway holds."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from api.access.digests import BodyDigest
from api.http.heads import is_json
from athena.errors import (
    AthenaError,
    BodyTooLargeError,
    ContentCodingError,
    Problem,
    QueueFullError,
    RequestError,
)
from athena.protocol.codings import unpack

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


#: What is said to those whose file fits by itself.
WITHOUT_BASE64 = (
    "; base64 makes a file a third larger: without it, as a form (multipart/form-data) or as the whole body, "
    "this one fits"
)

#: Where the ASGI scope holds the SHA-256 that a body must have.
DIGEST = "athena.digest"

#: How a body may be packed (RFC 9110, 8.4).
CODINGS = ("gzip", "deflate")

#: Other names for these; "" is a body as it is.
_SAME = {"identity": "", "x-gzip": "gzip"}


class Disconnected(Exception):
    """The caller went away before the answer was ready."""


class ByteBudget:
    """How many bytes of requests a gateway holds at once, until their jobs are in Redis.

    A request always fits while nothing else is held.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0

    def take(self, size_bytes: int, own_bytes: int = 0) -> None:
        """Makes room for so many bytes of a request that holds `own_bytes` already.

        Raises:
            QueueFullError: others hold too much.
        """
        others_bytes = self.held_bytes - own_bytes
        if others_bytes and self.held_bytes + size_bytes > self.limit_bytes:
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
    """A request's body, read and unpacked when the view asks for it.

    Args:
        receive: ASGI's.
        content_length: how long the caller says it is.
        budget: of all requests together.
        coding: what the caller says in `Content-Encoding`.
        digest: what it has to be, as it comes over the wire; None for anything.
        headers: of the request, in small letters.
    """

    def __init__(
        self,
        receive: Receive,
        content_length: int | None,
        budget: ByteBudget,
        coding: str = "",
        digest: BodyDigest | None = None,
        headers: Iterable[tuple[bytes, bytes]] = (),
    ) -> None:
        self._receive = receive
        self._content_length = content_length
        self._budget = budget
        self._coding = _SAME.get(coding, coding)
        self._digest = digest
        self._headers = headers
        self._claimed_bytes = 0
        self._data: bytes | None = None
        self._refusal: AthenaError | None = None
        self.is_complete = False

    @property
    def content_length(self) -> int | None:
        """How long the caller says it is."""
        return self._content_length

    async def read(self, limit_bytes: int) -> bytes:
        """Reads the body, or returns what was read before.

        Raises:
            BodyTooLargeError: it is over the limit, packed or unpacked; what is left of it was not read.
            ContentCodingError: it is packed in a way that is not known; nothing was read.
            RequestError: it is not packed as `Content-Encoding` says.
            CredentialsError: it is not the one that was signed.
            QueueFullError: the gateway holds too many bytes of other requests.
            Disconnected: the caller went away while sending.
        """
        if self._refusal is not None:
            # Each raise would lengthen its traceback, which holds frames and what is in them.
            raise self._refusal.with_traceback(None)
        if self._data is None:
            try:
                self._data = await self._read_plain(limit_bytes)
            except AthenaError as error:
                # What was read of it is gone, so whoever asks again is told the same.
                self._refusal = error
                raise
        return self._data

    def release(self) -> None:
        """Forgets the body: its job is in Redis, or never will be."""
        self._data = self._refusal = None
        self._budget.give_back(self._claimed_bytes)
        self._claimed_bytes = 0

    async def _read_plain(self, limit_bytes: int) -> bytes:
        if not self._coding:
            return await self._read(limit_bytes)
        if self._coding not in CODINGS:
            raise ContentCodingError(
                f"content-encoding must be {' or '.join(CODINGS)}, or there must be none"
            )
        return await self._unpack(await self._read(limit_bytes), limit_bytes)

    async def _unpack(self, packed: bytes, limit_bytes: int) -> bytes:
        plain = bytearray()
        try:
            for piece in unpack(self._coding, packed):
                if len(plain) + len(piece) > limit_bytes:
                    raise _too_large(f"has more than {limit_bytes} bytes when it is unpacked", limit_bytes)
                self._budget.take(len(piece), self._claimed_bytes)
                self._claimed_bytes += len(piece)
                plain += piece
                # Other callers have their turn.
                await asyncio.sleep(0)
        except ValueError as error:
            problem = Problem("", f"{error}; its content-encoding says {self._coding}")
            raise RequestError("the request's body cannot be read", problems=(problem,)) from None
        return bytes(plain)

    async def _read(self, limit_bytes: int) -> bytes:
        if self._content_length is not None and self._content_length > limit_bytes:
            raise self._too_large(limit_bytes)
        parts: list[bytes] = []
        message: Message = {"more_body": True}
        while message.get("more_body", False):
            message = await self._next()
            part = message.get("body", b"")
            parts.append(part)
            # A body of one part is whole even if it is refused now.
            self.is_complete = not message.get("more_body", False)
            # As it comes, not as it was announced: who sends slowly must not keep others out.
            self._claim(len(part), limit_bytes)
            if self._digest is not None:
                self._digest.update(part)
        if self._digest is not None:
            self._digest.check()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _claim(self, size_bytes: int, limit_bytes: int) -> None:
        if self._claimed_bytes + size_bytes > limit_bytes:
            raise self._too_large(limit_bytes)
        self._budget.take(size_bytes, self._claimed_bytes)
        self._claimed_bytes += size_bytes

    def _too_large(self, limit_bytes: int) -> BodyTooLargeError:
        sent_bytes = self._content_length
        if sent_bytes is None:
            return _too_large(f"has more than {limit_bytes} bytes", limit_bytes)
        would_fit = not self._coding and plain_size(sent_bytes) <= limit_bytes and self._is_json()
        return _too_large(f"has {sent_bytes} bytes", limit_bytes, WITHOUT_BASE64 if would_fit else "")

    def _is_json(self) -> bool:
        return any(name == b"content-type" and is_json(value) for name, value in self._headers)

    async def until_disconnect(self) -> None:
        """Returns when the caller goes away; to be called after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        return message


def plain_size(base64_bytes: int) -> int:
    """Returns how many bytes so many of base64 stand for."""
    return base64_bytes * 3 // 4


def _too_large(what: str, limit_bytes: int, remedy: str = "") -> BodyTooLargeError:
    problem = Problem("", f"{what}; the limit is {limit_bytes}{remedy}")
    return BodyTooLargeError("the request's body is too large", problems=(problem,))
