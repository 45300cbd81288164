"""One request that the application answers, by ASGI."""

import asyncio
import urllib.parse
from typing import Any, Protocol

import httptools

from api.gateway.gate import GONE, Visit
from api.http.heads import Headers
from api.http.problems import problem_answer, unexpected
from api.http.request_body import Message
from athena.errors import GatewayError, InternalError, RequestError

#: More of a body is not read before the application asks for it.
HIGH_WATER_BYTES = 65_536

_CLOSE = (b"connection", b"close")

#: Where the ASGI scope holds the ability that a request turned out to be for.
ABILITY = "athena.ability"


class Line(Protocol):
    """The connection that a request came over."""

    def ask_for_body(self) -> None:
        """Tells the caller that his body is awaited (RFC 9110, 10.1.1)."""

    def resume_reading(self) -> None:
        """Reads on, if there is room."""

    def pause_reading(self) -> None:
        """Reads nothing until `resume_reading`."""

    async def until_writable(self) -> None:
        """Returns when the caller has taken enough of what was written before."""

    def respond(self, call: Any, status: int, headers: Headers, body: bytes) -> None:
        """Writes the answer, and goes on to the next request."""


class Exchange:
    """A request and its answer; `receive` and `send` are those of ASGI.

    Answers of the application come as a whole, so head and body leave in one write.

    Args:
        line: where the answer goes.
        scope: of ASGI.
        keep_alive: whether the caller may send more over his connection.
        awaits_continue: whether he waits for a word before he sends the body.
        visit: what the gate has noted of the request.
    """

    def __init__(
        self,
        line: Line,
        scope: dict[str, Any],
        keep_alive: bool,
        awaits_continue: bool,
        visit: Visit | None = None,
    ) -> None:
        self._line = line
        self._scope = scope
        self.visit = visit
        self._is_refused = visit is not None and visit.refusal is not None
        self._awaits_continue = awaits_continue
        self.keep_alive = keep_alive
        #: When the request came.
        self.began_s = 0.0
        #: What has come of the body and was not asked for yet.
        self.body = bytearray()
        self._is_whole = False
        self._is_over = False
        self._news = asyncio.Event()
        self._status = 0
        self._headers: Headers = []
        self._content = b""

    @property
    def service_id(self) -> str:
        """The ability that the request turned out to be for; "" for none."""
        service_id: str = self._scope.get(ABILITY, "")
        return service_id

    def add(self, body: bytes) -> None:
        """Takes a piece of the body; what comes after the answer is thrown away."""
        if self._is_over or self._is_refused:
            return
        self._awaits_continue = False
        self.body += body
        if len(self.body) > HIGH_WATER_BYTES:
            self._line.pause_reading()
        self._news.set()

    def end(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._awaits_continue = False
        self._news.set()

    def lose_caller(self, status: int = GONE) -> None:
        """Nobody waits for the answer any more; the status is what is noted of the request."""
        self._is_over = True
        self._news.set()
        if self.visit is not None:
            self.visit.leave(status)

    async def run(self, app: Any) -> None:
        """Has the application answer; whatever becomes of it, there is an answer."""
        error = self.visit.refusal if self.visit is not None else None
        try:
            if error is None:
                await app(self._scope, self.receive, self.send)
            else:
                await self._line.until_writable()
        except asyncio.CancelledError:
            error = GatewayError("the gateway ended before the request was answered", retry_after_s=1)
            raise
        except Exception as unforeseen:
            error = unexpected(unforeseen)
        finally:
            if not self._is_over:
                answer = problem_answer(error or InternalError("the request was left without an answer"))
                self._respond(answer.status, answer.fields(), answer.body)

    async def receive(self) -> Message:
        """Returns the next piece of the body, or that the caller is gone."""
        if self._awaits_continue:
            self._awaits_continue = False
            self._line.ask_for_body()
        if not self._is_over:
            self._line.resume_reading()
            await self._news.wait()
            self._news.clear()
        if self._is_over:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": not self._is_whole}

    async def send(self, message: Message) -> None:
        """Takes the answer: its head, then its body."""
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
            return
        self._content += message.get("body", b"")
        if not message.get("more_body", False):
            await self._line.until_writable()
            self._respond(self._status, self._headers, self._content)

    def _respond(self, status: int, headers: Headers, body: bytes) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._news.set()
        is_unread = self._is_refused and not self._is_whole
        # A caller who was not told to send his body may or may not send it: nobody could tell what follows.
        if self._awaits_continue or is_unread or _CLOSE in headers:
            self.keep_alive = False
        # The connection writes this header itself, where it is needed.
        self._line.respond(self, status, [header for header in headers if header != _CLOSE], body)


def scope_of(
    method: bytes, target: bytes, version: str, headers: Headers, transport: asyncio.Transport
) -> dict[str, Any]:
    """Returns ASGI's description of a request.

    Raises:
        RequestError: the request line names no URL.
    """
    path, query = _path_and_query(target)
    info = transport.get_extra_info
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": version,
        "method": method.decode("ascii"),
        "scheme": "http" if info("sslcontext") is None else "https",
        "path": urllib.parse.unquote(path) if "%" in path else path,
        "query_string": query,
        "headers": headers,
        "client": (info("peername") or ("", 0))[:2],
        "server": (info("sockname") or ("", 0))[:2],
    }


def _path_and_query(target: bytes) -> tuple[str, bytes]:
    try:
        url = httptools.parse_url(target)
        return (url.path or b"/").decode("ascii"), url.query or b""
    except (httptools.HttpParserInvalidURLError, UnicodeDecodeError):
        raise RequestError("the request line names no URL that can be read") from None
