"""Flask on an ASGI loop, driven in memory."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from flask import Flask, Response, g, request

from api.app import _check_hooks, create_app
from api.gateway.gateway import Gateway
from api.http.asgi import BODY, Answer, AsgiServer, InlineFlask, Scope, make_environ
from api.http.problems import problem_response
from api.http.request_body import ByteBudget, Disconnected, RequestBody
from athena.errors import AthenaError, BodyTooLargeError, NotFoundError
from athena.settings import from_env

LIMIT_BYTES = 10


def make_app() -> InlineFlask:
    """Returns an application with one view for each thing that may happen."""
    app = InlineFlask("api", static_folder=None)
    app.register_error_handler(AthenaError, problem_response)
    torn_down: list[Any] = []
    app.extensions["torn_down"] = torn_down

    @app.teardown_request
    def note(error: BaseException | None) -> None:
        torn_down.append(error)

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    @app.get("/empty")
    def empty() -> Response:
        return Response(status=204)

    @app.get("/wait/<name>")
    async def wait(name: str) -> str:
        g.name = name
        await app.extensions[name].wait()
        return f"{name} {g.name} {request.path}"

    @app.get("/refused")
    async def refused() -> str:
        raise NotFoundError("not here")

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("a mistake of ours")

    @app.post("/body")
    async def body() -> bytes:
        read: bytes = await request.environ[BODY].read(LIMIT_BYTES)
        return read

    @app.post("/unread")
    async def unread() -> str:
        return "unread"

    @app.get("/käse/<path:rest>")
    def path(rest: str) -> str:
        return rest

    return app


async def nothing() -> None:
    """A start or an end without anything to do."""


async def leave_to_flask(scope: Scope, body: RequestBody) -> Answer | None:
    """Finds nothing ordinary."""
    return None


class Exchange:
    """One request: what the client sends, and what it gets."""

    def __init__(self, method: str, path: str, *parts: bytes, headers: Any = (), gone: bool = False) -> None:
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
            "client": ("10.0.0.1", 1234),
            "server": ("127.0.0.1", 80),
        }
        pieces = parts or (b"",)
        last = len(pieces) - 1
        self.incoming: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": gone or number < last}
            for number, piece in enumerate(pieces)
        ]
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        return self.incoming.pop(0) if self.incoming else {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def run(*exchanges: Exchange, app: Flask | None = None) -> None:
    """Answers requests side by side."""
    server = AsgiServer(app or make_app(), nothing, nothing, leave_to_flask, ByteBudget(10**9))

    async def answer() -> None:
        await asyncio.gather(*(server(item.scope, item.receive, item.send) for item in exchanges))

    asyncio.run(answer())


def get(path: str, **options: Any) -> Exchange:
    exchange = Exchange("GET", path, **options)
    run(exchange)
    return exchange


def post(path: str, *parts: bytes, **options: Any) -> Exchange:
    exchange = Exchange("POST", path, *parts, **options)
    run(exchange)
    return exchange


def test_plain_view_is_answered_in_one_piece() -> None:
    answer = get("/plain")

    assert (answer.status, answer.body) == (200, b"plain")
    assert answer.headers["content-length"] == "5"
    assert [message["type"] for message in answer.sent] == ["http.response.start", "http.response.body"]


def test_requests_that_wait_keep_their_own_context() -> None:
    app = make_app()
    first, second = Exchange("GET", "/wait/first"), Exchange("GET", "/wait/second")
    app.extensions.update(first=asyncio.Event(), second=asyncio.Event())
    # The second is answered before the first, so each comes back to a context that was pushed over.
    opener = Exchange("GET", "/open")

    @app.get("/open")
    async def open_() -> str:
        await asyncio.sleep(0)
        app.extensions["second"].set()
        await asyncio.sleep(0)
        app.extensions["first"].set()
        return ""

    run(first, second, opener, app=app)

    assert first.body == b"first first /wait/first"
    assert second.body == b"second second /wait/second"


def test_head_has_the_length_and_not_the_body() -> None:
    exchange = Exchange("HEAD", "/plain")
    run(exchange)

    assert (exchange.status, exchange.body) == (200, b"")
    assert exchange.headers["content-length"] == "5"


def test_answer_without_content_has_neither_body_nor_length() -> None:
    answer = get("/empty")

    assert (answer.status, answer.body) == (204, b"")
    assert "content-length" not in answer.headers


def test_error_of_ours_is_answered_by_its_handler() -> None:
    answer = get("/refused")

    assert answer.status == 404
    assert b'"code":10404' in answer.body


def test_unexpected_error_is_answered_and_its_context_torn_down() -> None:
    app = make_app()
    exchange = Exchange("GET", "/broken")

    run(exchange, app=app)

    assert exchange.status == 500
    assert b"a mistake of ours" not in exchange.body
    assert len(app.extensions["torn_down"]) == 1


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("PUT", "/plain", 405)])
def test_path_and_method_that_nobody_knows(method: str, path: str, status: int) -> None:
    exchange = Exchange(method, path)
    run(exchange)

    assert exchange.status == status


def test_body_in_parts_is_put_together() -> None:
    assert post("/body", b"abc", b"", b"def").body == b"abcdef"


def test_body_of_just_the_limit_is_taken() -> None:
    assert post("/body", b"x" * LIMIT_BYTES).body == b"x" * LIMIT_BYTES


def length(number: int) -> list[tuple[str, str]]:
    return [("content-length", str(number))]


def test_body_over_the_limit_is_refused_before_it_is_read() -> None:
    exchange = Exchange("POST", "/body", b"x" * 20, headers=length(20))
    run(exchange)

    assert exchange.status == 413
    assert exchange.headers["connection"] == "close"
    assert len(exchange.incoming) == 1


@pytest.mark.parametrize("parts", [(b"x" * 11,), (b"x" * 6, b"x" * 6), (b"x" * 6, b"x" * 6, b"y" * 50)])
def test_body_of_unknown_length_is_refused_when_it_grows_over_the_limit(parts: tuple[bytes, ...]) -> None:
    exchange = post("/body", *parts)

    assert exchange.status == 413
    assert ("connection" in exchange.headers) == bool(exchange.incoming)


def test_client_that_goes_away_while_it_sends_is_not_answered() -> None:
    assert post("/body", b"abc", gone=True).sent == []


def test_view_may_leave_the_body_alone() -> None:
    assert post("/unread", b"abc").body == b"unread"


def test_body_tells_when_the_client_goes_away() -> None:
    exchange = Exchange("POST", "/", b"abc")

    async def wait() -> bytes:
        body = RequestBody(exchange.receive, None, ByteBudget(10**9))
        read = await body.read(LIMIT_BYTES)
        await asyncio.wait_for(body.until_disconnect(), 5)
        return read

    assert asyncio.run(wait()) == b"abc"


def test_body_whose_length_is_told_needs_no_reading_to_be_refused() -> None:
    async def never() -> dict[str, Any]:
        raise AssertionError("was read")

    with pytest.raises(BodyTooLargeError) as error:
        asyncio.run(RequestBody(never, 11, ByteBudget(10**9)).read(LIMIT_BYTES))

    assert (error.value.code, error.value.http_status) == (10163, 413)


def test_headers_and_addresses_reach_flask() -> None:
    headers = [("x-one", "1"), ("x-two", "a"), ("x-two", "b"), ("content-type", "text/plain")]
    environ = make_environ(Exchange("GET", "/a b", headers=headers).scope)

    assert environ["HTTP_X_ONE"] == "1"
    assert environ["HTTP_X_TWO"] == "a,b"
    assert environ["CONTENT_TYPE"] == "text/plain"
    assert (environ["REMOTE_ADDR"], environ["PATH_INFO"]) == ("10.0.0.1", "/a b")


def test_path_may_hold_any_letter() -> None:
    assert get("/käse/brot/ü").body == "brot/ü".encode()


@pytest.mark.parametrize("value", ["-1", "many", "", "1e3"])
def test_length_that_is_none_is_not_believed(value: str) -> None:
    assert post("/body", b"abc", headers=[("content-length", value)]).body == b"abc"


def test_life_cycle_starts_and_ends_the_process_once() -> None:
    calls: list[str] = []

    def note(name: str) -> Callable[[], Awaitable[None]]:
        async def hook() -> None:
            calls.append(name)

        return hook

    exchange = Exchange("GET", "/")
    exchange.incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    server = AsgiServer(make_app(), note("start"), note("stop"), leave_to_flask, ByteBudget(10**9))

    asyncio.run(server({"type": "lifespan"}, exchange.receive, exchange.send))

    assert calls == ["start", "stop"]
    assert [message["type"] for message in exchange.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize("place", ["before_request", "after_request"])
def test_hook_that_is_a_coroutine_is_refused(place: str) -> None:
    app = make_app()

    async def hook(*_: object) -> None:
        """Flask would take the coroutine for an answer."""

    getattr(app, place)(hook)

    with pytest.raises(TypeError, match="hook must not be async"):
        _check_hooks(app)


def test_teardown_is_told_what_the_view_raised() -> None:
    app = make_app()

    run(Exchange("GET", "/plain"), Exchange("GET", "/refused"), Exchange("GET", "/broken"), app=app)

    # An error that a handler has answered is none any more.
    assert [type(error) for error in app.extensions["torn_down"]] == [type(None), type(None), RuntimeError]


def test_client_that_goes_away_while_its_view_waits_is_not_answered() -> None:
    app, exchange = make_app(), Exchange("POST", "/watch", b"abc")

    @app.post("/watch")
    async def watch() -> str:
        await request.environ[BODY].read(LIMIT_BYTES)
        await request.environ[BODY].until_disconnect()
        raise Disconnected

    run(exchange, app=app)

    assert (exchange.sent, len(app.extensions["torn_down"])) == ([], 1)


def test_request_that_is_cancelled_is_torn_down() -> None:
    app, exchange = make_app(), Exchange("GET", "/wait/first")
    app.extensions["first"] = asyncio.Event()

    async def cancel() -> None:
        async with asyncio.timeout(0.01):
            await AsgiServer(app, nothing, nothing, leave_to_flask, ByteBudget(10**9))(
                exchange.scope, exchange.receive, exchange.send
            )

    with pytest.raises(TimeoutError):
        asyncio.run(cancel())

    assert [type(error) for error in app.extensions["torn_down"]] == [asyncio.CancelledError]


def test_gateway_answers_in_the_envelope_and_names_the_methods() -> None:
    exchange = Exchange("PUT", "/livez")
    run(exchange, app=create_app(Gateway(from_env({}))))

    assert (exchange.status, json.loads(exchange.body)["header"]["code"]) == (405, 10163)
    assert "GET" in exchange.headers["allow"]


def test_gateway_keeps_a_mistake_of_ours_to_its_log(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Gateway(from_env({})))
    app.add_url_rule("/broken", view_func=make_app().view_functions["broken"])
    exchange = Exchange("GET", "/broken")
    run(exchange, app=app)

    assert (exchange.status, json.loads(exchange.body)["header"]["code"]) == (500, 11502)
    assert b"a mistake of ours" not in exchange.body
    assert "RuntimeError: a mistake of ours" in caplog.text
