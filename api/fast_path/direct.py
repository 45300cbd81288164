"""Small ordinary requests, answered from the HTTP parser's callbacks: without ASGI, without a task each."""

import asyncio
from collections.abc import Callable
from functools import partial

from api.fast_path.ordinary import FastPath, answer_of
from api.gateway.call import wait_for_private_end, waited_too_long
from api.gateway.gateway import Gateway
from api.gateway.waiters import BriefFuture
from api.http.answers import ended_answer
from api.http.asgi import Answer
from api.http.connection import Connection
from api.http.heads import Headers, is_json
from api.http.patience import Doors
from api.http.problems import problem_answer, unexpected
from api.http.request_body import ByteBudget, Disconnected
from athena.errors import GatewayError, QueueFullError
from athena.protocol.enums import JobState
from athena.store.submission import Reply, Submission

#: Larger requests may have inputs that do not ride in the job's message.
MAX_BYTES = 16_384

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


class DirectCall:
    """A request that waits for its job.

    Args:
        gateway: where the job goes.
        size_bytes: how much of `budget` the request holds until its job is in Redis.
        keep_alive: whether the caller may send more over his connection.
        respond: called once, with the answer.
        tasks: those that uvicorn waits for when it is to end.
    """

    def __init__(
        self,
        gateway: Gateway,
        budget: ByteBudget,
        size_bytes: int,
        keep_alive: bool,
        respond: Callable[["DirectCall", Answer], None],
        tasks: set["asyncio.Task[None]"],
    ) -> None:
        self._gateway = gateway
        self._budget = budget
        self._held_bytes = size_bytes
        self._respond = respond
        self._tasks = tasks
        self._job_id = ""
        self._wait_s = 0.0
        self._gone: asyncio.Event | None = None
        self._is_lost = False
        self.keep_alive = keep_alive

    def start(self, job: Submission, wait_s: float) -> None:
        """Submits the job."""
        self._job_id, self._wait_s = job.job_id, wait_s
        try:
            self._gateway.submit_private(job, self._release).add_done_callback(self._on_end)
        except Exception as error:
            self._answer(problem_answer(unexpected(error)))

    def lose_caller(self) -> None:
        """The connection is lost."""
        self._is_lost = True
        if self._gone is not None:
            self._gone.set()

    async def until_disconnect(self) -> None:
        """Returns when the caller goes away."""
        self._gone = asyncio.Event()
        if not self._is_lost:
            await self._gone.wait()

    def _on_end(self, brief: BriefFuture) -> None:
        """Answers what has ended well in time; all else takes a task."""
        end = brief.result() if brief.exception() is None else None
        if not isinstance(end, Reply) or end.payload is None:
            self._go_on(brief)
            return
        if end.state is JobState.SUCCEEDED:
            self._gateway.forget_answered(self._job_id)
        try:
            answer = Answer(*ended_answer(end))
        except Exception as error:
            answer = problem_answer(unexpected(error))
        self._answer(answer)

    def _go_on(self, brief: BriefFuture) -> None:
        task = asyncio.get_running_loop().create_task(self._wait_on(brief))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait_on(self, brief: BriefFuture) -> None:
        error = GatewayError("the gateway ended before the job did; send the request again", retry_after_s=1)
        answer = problem_answer(error)
        try:
            end = wait_for_private_end(self._gateway, self._job_id, brief, self, self._wait_s)
            answer = await answer_of(end, partial(waited_too_long, self._gateway, True, self._wait_s))
        except Disconnected:
            pass
        finally:
            self._answer(answer)

    def _answer(self, answer: Answer) -> None:
        self._release()
        self._respond(self, answer)

    def _release(self) -> None:
        self._budget.give_back(self._held_bytes)
        self._held_bytes = 0


class DirectProtocol(Connection):
    """Answers small ordinary requests itself, and hands all others to the ASGI application.

    A request is looked at when it is whole; until then the application does not know of it.
    """

    gateway: Gateway
    fast_path: FastPath

    # The body so far of a request that may be answered directly, and its size.
    _parts: list[bytes] | None = None
    _parts_bytes = 0

    def begin_request(self) -> None:
        """A head is whole."""
        way = self._way()
        if way == _NO:
            super().begin_request()
            return
        self._parts, self._parts_bytes = [], 0
        if way == _AWAITED:
            self.ask_for_body()

    def add_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        if self._parts is None:
            super().add_body(body)
            return
        self._parts.append(body)
        self._parts_bytes += len(body)
        if self._parts_bytes > MAX_BYTES:
            self._hand_on()

    def end_request(self) -> None:
        """The request is whole."""
        if self._parts is None:
            super().end_request()
        elif self._submit(b"".join(self._parts)):
            self._parts = None
        else:
            self._hand_on()
            super().end_request()

    def unclaimed_bytes(self) -> int:
        """Returns how much is held that no request has claimed from the budget."""
        return super().unclaimed_bytes() + (self._parts_bytes if self._parts is not None else 0)

    def must_leave(self) -> bool:
        """Whether the caller is to open a new connection for his next request."""
        return self.is_leaving or self.gateway.is_draining

    def _drop_unfinished(self) -> None:
        self._parts = None
        super()._drop_unfinished()

    def _way(self) -> int:
        if self.running is not None or self.is_write_paused or self.method != b"POST":
            return _NO
        # Others may not even be URLs.
        if self.version != "1.1" or not self.url.startswith(b"/"):
            return _NO
        way = _way_of(self.headers, self.gateway.origins.known_hosts)
        if way == _AWAITED and not self.fast_path.knows(self.url):
            return _NO
        return way

    def _submit(self, raw: bytes) -> bool:
        """Submits the request's job; returns whether there is one."""
        try:
            prepared = self.fast_path.prepare(self.url.decode("ascii"), raw)
        except Exception as error:
            unexpected(error)
            return False
        if prepared is None:
            return False
        try:
            self.budget.take(len(raw), self._claimed_bytes)
        except QueueFullError:
            return False
        call = DirectCall(
            self.gateway,
            self.budget,
            len(raw),
            self.parser.should_keep_alive(),
            self._respond,
            self.state.tasks,
        )
        self.running = call
        call.start(*prepared)
        return True

    def _hand_on(self) -> None:
        """Gives what was held back to the application."""
        parts, self._parts = self._parts or [], None
        super().begin_request()
        for part in parts:
            super().add_body(part)

    def _respond(self, call: DirectCall, answer: Answer) -> None:
        self.respond(call, answer.status, answer.fields(), answer.body)


def _way_of(headers: Headers, known_hosts: set[bytes]) -> int:
    """Tells which way a request goes, by its headers alone."""
    hosts, types, kind, length = 0, 0, b"", b""
    special: Headers = []
    for name, value in headers:
        if name == b"host":
            if value not in known_hosts:
                return _NO
            hosts += 1
        elif name == b"content-type":
            types, kind = types + 1, value
        elif name == b"content-length":
            length = value
        elif name in _SPECIAL:
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
    BoundProtocol.doors = Doors(max_connections)
    BoundProtocol.idle_s = gateway.settings.idle_s
    return BoundProtocol
