"""An ASGI application that runs Flask on the event loop, so that a view may wait without holding a thread.

Views may be `async def`; hooks, error handlers and signal receivers must be plain functions, which
`create_app` checks.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from inspect import isawaitable
from typing import Any, NamedTuple

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

from api.access.digests import BodyDigest
from api.http.heads import content_length
from api.http.request_body import DIGEST, ByteBudget, Disconnected, Message, Receive, RequestBody

logger = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Hook = Callable[[], Awaitable[None]]


class Answer(NamedTuple):
    """An HTTP answer; `headers` are those beyond its type and length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = b"application/json"

    def fields(self) -> list[tuple[bytes, bytes]]:
        """Returns all headers."""
        length = b"%d" % len(self.body)
        return [(b"content-type", self.content_type), (b"content-length", length), *self.headers]


#: Answers a request without Flask, or leaves it to Flask by returning None.
FastAnswer = Callable[[Scope, RequestBody], Awaitable[Answer | None]]

#: Where a view finds its `RequestBody`, and ASGI's scope, in the WSGI environment.
BODY, SCOPE = "athena.body", "asgi.scope"

#: Refusals of a body that was not read, or not to its end.
REFUSED_UNREAD = (413, 429)

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

    def make_default_options_response(self) -> Response:
        """Answers OPTIONS with the methods of a path, and nothing else."""
        response = super().make_default_options_response()
        del response.headers["Content-Type"]
        response.status_code = 204
        return response

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function itself; a coroutine that it returns is awaited by the server."""
        return func


class AsgiServer:
    """The gateway as an ASGI application.

    Args:
        fast_answer: is asked first; it answers the ordinary requests, and Flask all others.
        budget: bounds the bodies that are held at once.
    """

    def __init__(
        self,
        app: Flask,
        on_startup: Hook,
        on_shutdown: Hook,
        fast_answer: FastAnswer,
        budget: ByteBudget,
    ) -> None:
        self._app = app
        self._budget = budget
        self._fast_answer = fast_answer
        self._on_startup = on_startup
        self._on_shutdown = on_shutdown

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or runs the life cycle of the process."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        else:
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._on_startup()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._on_shutdown()
        await send({"type": "lifespan.shutdown.complete"})

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        digest: bytes | None = scope.get(DIGEST)
        body = RequestBody(
            receive,
            content_length(scope["headers"]),
            self._budget,
            _content_coding(scope),
            BodyDigest(digest) if digest else None,
            scope["headers"],
        )
        try:
            await self._answer(scope, body, send)
        except Disconnected:
            return
        finally:
            body.release()

    async def _answer(self, scope: Scope, body: RequestBody, send: Send) -> None:
        answer = await self._fast_answer(scope, body)
        if answer is not None:
            await send({"type": "http.response.start", "status": answer.status, "headers": answer.fields()})
            await send({"type": "http.response.body", "body": answer.body})
            return
        environ = make_environ(scope)
        environ[BODY], environ[SCOPE] = body, scope
        response = await self.handle(environ)
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
            # The handler of all errors would log it, and make an answer for nobody.
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
        # Texts of WSGI hold a byte in each character (PEP 3333).
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


def _content_coding(scope: Scope) -> str:
    given = [value for name, value in scope["headers"] if name == b"content-encoding"]
    return b",".join(given).decode("latin-1").strip().lower()


async def _send_response(response: Response, environ: dict[str, Any], body: RequestBody, send: Send) -> None:
    # Else all the rest of the body would have to be read before the next request.
    if response.status_code in REFUSED_UNREAD and not body.is_complete:
        response.headers["Connection"] = "close"
    content = response.get_data()
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in response.headers]
    if response.content_length is None and response.status_code not in BODILESS:
        headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    if environ["REQUEST_METHOD"] == "HEAD" or response.status_code in BODILESS:
        content = b""
    await send({"type": "http.response.body", "body": content})
    response.close()
