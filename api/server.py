"""An ASGI application that runs Flask on the event loop, so that a view may wait without holding a thread.

Views may be `async def`; hooks, error handlers and signal receivers must be plain functions, which
`create_app` checks.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from inspect import isawaitable
from typing import Any, NamedTuple

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

from athena.errors import BodyTooLargeError, Problem

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Hook = Callable[[], Awaitable[None]]


class Answer(NamedTuple):
    """An HTTP answer with a JSON body; `headers` are those beyond its type and length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


#: Answers a request without Flask, or leaves it to Flask by returning None.
FastAnswer = Callable[[Scope, "RequestBody"], Awaitable[Answer | None]]

#: Where a view finds its `RequestBody` in the WSGI environment.
BODY = "athena.body"

#: After a refusal, how much and how long is still read and thrown away, so that a caller who sends first
#: and reads later gets to see the answer.
DRAIN_BYTES = 256 * 1024 * 1024
DRAIN_S = 5.0

#: Answers that have no body (RFC 9110).
BODILESS = (204, 304)


class NoSessions(SessionInterface):
    """The API keeps no sessions, so none is looked for in a request or written into an answer."""

    def open_session(self, app: Flask, request: Request) -> None:
        """Returns no session; Flask then uses `make_null_session`."""

    def make_null_session(self, app: Flask) -> NullSession:
        """Returns the one session that is never used."""
        return _NULL_SESSION


_NULL_SESSION = NullSession()


class InlineFlask(Flask):
    """Flask whose async views are awaited by `AsgiServer` instead of being wrapped in a thread."""

    session_interface = NoSessions()

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Returns what matches a request's path. Hosts play no part here, so they are not parsed."""
        if request is None:
            return None
        query = request.environ["QUERY_STRING"]
        return MapAdapter(
            self.url_map, "athena", "/", "", request.scheme, request.path, request.method, query
        )

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function itself; a coroutine that it returns is awaited by the server."""
        return func


class Disconnected(Exception):
    """The caller went away before the answer was ready."""


class RequestBody:
    """A request's body, read when the view asks for it."""

    def __init__(self, receive: Receive, content_length: int | None) -> None:
        self._receive = receive
        self._content_length = content_length
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
            Disconnected: the caller went away while sending.
        """
        if self._data is None:
            self._data = await self._read(limit_bytes)
        return self._data

    async def _read(self, limit_bytes: int) -> bytes:
        if self._content_length is not None and self._content_length > limit_bytes:
            raise _too_large(limit_bytes)
        message = await self._next()
        if not message.get("more_body", False):
            self.is_complete = True
            return _within(message.get("body", b""), limit_bytes)
        parts = [message.get("body", b"")]
        size = len(parts[0])
        while message.get("more_body", False):
            message = await self._next()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > limit_bytes:
                raise _too_large(limit_bytes)
        self.is_complete = True
        return b"".join(parts)

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


def _within(body: bytes, limit_bytes: int) -> bytes:
    if len(body) > limit_bytes:
        raise _too_large(limit_bytes)
    return body


def _too_large(limit_bytes: int) -> BodyTooLargeError:
    problem = Problem("", f"may have at most {limit_bytes} bytes")
    return BodyTooLargeError("the request's body is too large", problems=(problem,))


class AsgiServer:
    """The gateway as an ASGI application.

    Args:
        is_leaving: whether callers are to open new connections for their next requests.
        fast_answer: is asked first; it answers the ordinary requests, and Flask all others.
    """

    def __init__(
        self,
        app: Flask,
        on_startup: Hook,
        on_shutdown: Hook,
        is_leaving: Callable[[], bool],
        fast_answer: FastAnswer,
    ) -> None:
        self._app = app
        self._fast_answer = fast_answer
        self._is_leaving = is_leaving
        self._on_startup = on_startup
        self._on_shutdown = on_shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or runs the life cycle of the process."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._on_startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._on_shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = RequestBody(receive, _content_length(scope))
        try:
            answer = await self._fast_answer(scope, body)
            if answer is not None:
                await _send_answer(answer, self._is_leaving(), send)
                return
            environ = make_environ(scope)
            environ[BODY] = body
            response = await self.handle(environ)
        except Disconnected:
            return
        if self._is_leaving():
            response.headers["Connection"] = "close"
        await _send_response(response, environ, body, send)

    async def handle(self, environ: dict[str, Any]) -> Response:
        """Runs Flask's request cycle, awaiting the view where it is a coroutine."""
        app = self._app
        context = app.request_context(environ)
        failure: BaseException | None = None
        try:
            try:
                context.push()
                return await self._dispatch()
            except Disconnected:
                raise
            except Exception as error:
                failure = error
                return app.handle_exception(error)
            except BaseException as error:
                failure = error
                raise
        finally:
            context.pop(failure)

    async def _dispatch(self) -> Response:
        app = self._app
        try:
            answer: Any = app.preprocess_request()
            if answer is None:
                answer = app.dispatch_request()
                if isawaitable(answer):
                    answer = await answer
        except Disconnected:
            raise
        except Exception as error:
            answer = app.handle_user_exception(error)
        return app.finalize_request(answer)


def make_environ(scope: Scope) -> dict[str, Any]:
    """Returns the WSGI environment of an ASGI request, without a body stream."""
    server = scope.get("server") or ("127.0.0.1", 80)
    client = scope.get("client") or ("", 0)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": scope["path"].encode().decode("latin-1"),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.url_scheme": scope["scheme"],
    }
    for name, value in scope["headers"]:
        _add_header(environ, name.decode("latin-1"), value.decode("latin-1"))
    return environ


def _add_header(environ: dict[str, Any], name: str, value: str) -> None:
    key = name.upper().replace("-", "_")
    if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        key = f"HTTP_{key}"
    environ[key] = f"{environ[key]},{value}" if key in environ else value


def _content_length(scope: Scope) -> int | None:
    raw = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(raw) if raw.isdigit() else None


async def _send_answer(answer: Answer, is_leaving: bool, send: Send) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(answer.body)),
        *answer.headers,
    ]
    if is_leaving:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_response(response: Response, environ: dict[str, Any], body: RequestBody, send: Send) -> None:
    must_drain = response.status_code == BodyTooLargeError.http_status and not body.is_complete
    if must_drain:
        response.headers["Connection"] = "close"
    content = response.get_data()
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers]
    if response.content_length is None and response.status_code not in BODILESS:
        headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if environ["REQUEST_METHOD"] == "HEAD" or response.status_code in BODILESS:
        content = b""
    await send({"type": "http.response.body", "body": content, "more_body": must_drain})
    response.close()
    if must_drain:
        await body.drain()
        await send({"type": "http.response.body", "body": b"", "more_body": False})
