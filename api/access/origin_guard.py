"""Before the application: refuses what `api.access.origins` forbids, and lets allowed pages read answers."""

from collections.abc import Awaitable, Callable

from api.access.origins import OriginPolicy
from api.http.asgi import Scope, Send
from api.http.problems import JSON, error_body
from api.http.request_body import Message, Receive
from athena.errors import AthenaError

App = Callable[[Scope, Receive, Send], Awaitable[None]]
Fields = tuple[tuple[bytes, bytes], ...]

#: What an allowed page is told before it sends what no form could send (CORS, Fetch standard).
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"Content-Type, Prefer, Authorization"),
    (b"access-control-max-age", b"600"),
)


class OriginGuard:
    """An ASGI application before another one."""

    def __init__(self, app: App, policy: OriginPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, or passes it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._policy.refusal(scope["method"], scope["headers"])
        if refusal is not None:
            await _refuse(refusal, send)
            return
        sharing = tuple(self._policy.sharing_with(scope["headers"]))
        if not sharing:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            await _answer(204, (*sharing, *_PREFLIGHT), b"", send)
        else:
            await self._app(scope, receive, _adding(sharing, send))


async def _refuse(refusal: AthenaError, send: Send) -> None:
    body = error_body(refusal, "")
    fields = ((b"content-type", JSON.encode()), (b"content-length", b"%d" % len(body)))
    await _answer(refusal.http_status, fields, body, send)


async def _answer(status: int, fields: Fields, body: bytes, send: Send) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(fields)})
    await send({"type": "http.response.body", "body": body})


def _adding(fields: Fields, send: Send) -> Send:
    async def send_with_fields(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *fields]}
        await send(message)

    return send_with_fields


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((value for name, value in scope["headers"] if name == wanted), b"")
