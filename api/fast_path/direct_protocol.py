"""Small ordinary requests, answered from the HTTP parser's callbacks: without ASGI, without a task each."""

import asyncio
from collections.abc import Callable
from typing import Any

from api.access.digests import check_body
from api.fast_path.fast_path import FastPath
from api.gateway.call import CALL, Call, problem_of
from api.gateway.gate import GONE, Visit
from api.gateway.gateway import Gateway
from api.gateway.waiters import BriefFuture
from api.http.address_limit import make_address_limit
from api.http.asgi import Answer
from api.http.connection import Connection
from api.http.heads import Headers, is_json, names_data
from api.http.open_heads import OpenHeads
from api.http.patience import Doors
from api.http.problems import problem_answer
from api.http.request_body import ByteBudget, Disconnected
from athena.errors import GatewayError, QueueFullError
from athena.store.submission import Reply

#: Larger requests go to the application, which reads them piece by piece.
MAX_BYTES = 65_536

#: So many connections at most where nobody says otherwise.
MAX_CONNECTIONS = 16_384

#: A request with one of these headers is looked at closer.
_SPECIAL = frozenset(
    (
        b"prefer",
        b"content-encoding",
        b"transfer-encoding",
        b"expect",
        b"origin",
        b"sec-fetch-site",
    )
)

#: Whether a request may be answered directly, and whether its caller waits for a word before the body.
_NO, _YES, _AWAITED = range(3)


class DirectCaller:
    """Who waits for the answer of a request that came by the direct way.

    Args:
        budget: what his request is held in until its job is in Redis.
        keep_alive: whether he may send more over his connection.
        respond: called once, with the answer.
        tasks: those that uvicorn waits for when it is to end.
        began_s: when his request was whole.
    """

    def __init__(
        self,
        budget: ByteBudget,
        keep_alive: bool,
        respond: Callable[["DirectCaller", Answer], None],
        tasks: set["asyncio.Task[None]"],
        began_s: float = 0.0,
    ) -> None:
        self.keep_alive = keep_alive
        #: When his request was whole, and the ability that it is for.
        self.began_s = began_s
        self.service_id = ""
        #: What the gate has noted of his request.
        self.visit: Visit | None = None
        self._respond = respond
        self._tasks = tasks
        self._call: Call | None = None
        self._budget = budget
        self._held_bytes = 0
        self._gone: asyncio.Event | None = None
        self._is_lost = False

    def claim(self, size_bytes: int, own_bytes: int) -> bool:
        """Takes room for the request, `own_bytes` of which are held already; returns whether there was."""
        try:
            self._budget.take(size_bytes, own_bytes)
        except QueueFullError:
            return False
        self._held_bytes = size_bytes
        return True

    def start(self, call: Call) -> None:
        """Submits the job of a call."""
        if not call.errand.rides_along:
            # Inputs beside the message have to be in Redis before it, and waiting for that takes a task.
            self._go_on(call)
            return
        try:
            brief = call.errand.submit(self.release)
        except Exception as error:
            self.answer(call.refuse(error))
            return
        self._call = call
        brief.when_done(self._on_end)

    def answer(self, answer: Answer) -> None:
        """Answers the request."""
        self.release()
        self._respond(self, answer)

    def release(self) -> None:
        """Gives back what the request holds."""
        self._budget.give_back(self._held_bytes)
        self._held_bytes = 0

    def lose_caller(self) -> None:
        """The connection is lost."""
        self._is_lost = True
        if self.visit is not None:
            self.visit.leave(GONE)
        if self._gone is not None:
            self._gone.set()

    async def until_disconnect(self) -> None:
        """Returns when the caller goes away."""
        self._gone = asyncio.Event()
        if not self._is_lost:
            await self._gone.wait()

    def _on_end(self, brief: BriefFuture) -> None:
        """Answers what has ended in time; all else takes a task."""
        call, self._call = self._call, None
        assert call is not None
        end = brief.result() if brief.exception() is None else None
        if isinstance(end, Reply) and end.payload is not None:
            self.answer(call.finish(end))
        else:
            self._go_on(call)

    def _go_on(self, call: Call) -> None:
        task = asyncio.get_running_loop().create_task(self._wait(call))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, call: Call) -> None:
        error = GatewayError("the gateway ended before the job did; send the request again", retry_after_s=1)
        # Made beforehand: a task that is canceled answers its caller all the same.
        answer = problem_answer(error)
        try:
            answer = await call.respond(self)
        except Disconnected:
            pass
        finally:
            self.answer(answer)


class DirectProtocol(Connection):
    """Answers small ordinary requests itself, and hands all others to the ASGI application.

    A request is looked at when it is whole; until then the application does not know of it.
    """

    gateway: Gateway
    fast_path: FastPath

    # The body so far of a request that may be answered directly.
    _body: bytearray | None = None

    def take_request(self) -> None:
        """The gate has let a request in."""
        way = self._way()
        if way == _NO:
            super().take_request()
            return
        self._body = bytearray()
        if way == _AWAITED:
            self.ask_for_body()

    def add_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        if self._body is None:
            super().add_body(body)
            return
        self._body += body
        if len(self._body) > MAX_BYTES:
            self._hand_on(self._take_body(), {})

    def end_request(self) -> None:
        """The request is whole."""
        if self._body is None:
            super().end_request()
            return
        raw = self._take_body()
        keeps = self.parser.should_keep_alive()
        caller = DirectCaller(self.budget, keeps, self._respond, self.state.tasks, self.http.now())
        try:
            if self._visit is not None and self._visit.digest is not None:
                check_body(raw, self._visit.digest)
            call = self.fast_path.open_direct(self.url.decode("latin-1"), self._visit, len(raw))
        except Exception as error:
            self._begin(caller).answer(problem_of(error))
            return
        if call is None:
            self._hand_on(raw, {})
            super().end_request()
        else:
            self._run(call, raw, caller)

    def unclaimed_bytes(self) -> int:
        """Returns how much is held that no request has claimed from the budget."""
        return super().unclaimed_bytes() + len(self._body or b"")

    def must_leave(self) -> bool:
        """Whether the caller is to open a new connection for his next request."""
        return self.is_leaving or self.gateway.is_draining

    def drop_unfinished(self, status: int) -> bool:
        """Forgets the request whose body will not come to its end."""
        self._body = None
        return super().drop_unfinished(status)

    def _way(self) -> int:
        # An answer that waits for its turn, or until the caller takes others, needs an exchange.
        if self.running is not None or self.is_write_paused or self.method != b"POST":
            return _NO
        # Others may not even be URLs.
        if self.version != "1.1" or not self.url.startswith(b"/"):
            return _NO
        way = _way_of(self.headers, self.gateway.origins.known_hosts)
        # A body that may be refused unread is not asked for here: the application decides.
        if way == _AWAITED and not self.fast_path.knows(self.url):
            return _NO
        return way

    def _run(self, call: Call, raw: bytes, caller: DirectCaller) -> None:
        """Runs the request's job, or hands the request on with what is known of it."""
        try:
            is_ready = call.prepare_ordinary(raw)
        except Exception as error:
            caller.service_id = call.interface.service_id
            self._begin(caller).answer(call.refuse(error))
            return
        caller.service_id = call.interface.service_id
        if is_ready and caller.claim(len(raw), self._claimed_bytes):
            self._begin(caller).start(call)
            return
        # The application says it where there is no room.
        self._hand_on(raw, {CALL: call})
        super().end_request()

    def _begin(self, caller: DirectCaller) -> DirectCaller:
        """The request is the caller's from now on."""
        caller.visit = self.take_visit()
        self.running = caller
        return caller

    def _take_body(self) -> bytes:
        body, self._body = bytes(self._body or b""), None
        return body

    def _hand_on(self, body: bytes, known: dict[str, Any]) -> None:
        """Gives what was held back to the application."""
        self.hand_on(known)
        super().add_body(body)

    def _respond(self, caller: DirectCaller, answer: Answer) -> None:
        self.respond(caller, answer.status, answer.fields(), answer.body)


def _way_of(headers: Headers, known_hosts: set[bytes]) -> int:
    """Tells which way a request goes, by its headers alone."""
    hosts, types, kind, length = 0, 0, b"", b""
    special: Headers = []
    for name, value in headers:
        if name == b"host":
            # The guard before the application judges it, and remembers those that it allows.
            if value not in known_hosts:
                return _NO
            hosts += 1
        elif name == b"content-type":
            types, kind = types + 1, value
        elif name == b"content-length":
            length = value
        elif name in _SPECIAL or (name == b"accept" and names_data(value)):
            special.append((name, value))
    if hosts != 1 or types != 1 or not is_json(kind):
        return _NO
    if special:
        return _way_of_special(dict(special), length) if len(special) < 3 else _NO
    return _YES if _is_small(length) else _NO


def _way_of_special(special: dict[bytes, bytes], length: bytes) -> int:
    if not special.keys() <= {b"expect", b"transfer-encoding"}:
        return _NO
    if special.get(b"expect", b"100-continue").lower() != b"100-continue":
        return _NO
    # Another coding is refused elsewhere.
    if special.get(b"transfer-encoding", b"").lower() != b"chunked" and not _is_small(length):
        return _NO
    return _AWAITED if b"expect" in special else _YES


def _is_small(length: bytes) -> bool:
    return length.isdigit() and int(length) <= MAX_BYTES


def make_protocol(
    gateway: Gateway, budget: ByteBudget, max_connections: int = MAX_CONNECTIONS
) -> type[DirectProtocol]:
    """Returns the protocol of a gateway's connections, as uvicorn wants it: a class."""

    class BoundProtocol(DirectProtocol):
        pass

    BoundProtocol.gateway = gateway
    BoundProtocol.fast_path = FastPath(gateway)
    BoundProtocol.budget = budget
    BoundProtocol.open_heads = OpenHeads()
    BoundProtocol.gate = gateway.gate
    BoundProtocol.http = gateway.http
    settings = gateway.settings
    limit = make_address_limit(
        settings.max_connections_per_address, max_connections, settings.trusted_proxies
    )
    BoundProtocol.doors = Doors(max_connections, limit)
    BoundProtocol.idle_s = settings.idle_s
    return BoundProtocol
