"""Small ordinary requests, answered from the HTTP parser's callbacks: without ASGI, without a task each."""

import asyncio
from collections.abc import Callable

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from api.corked import CorkedProtocol
from api.fast_path import FastPath, answer_of, problem_answer
from api.gateway import Gateway
from api.problems import unexpected
from api.request_body import ByteBudget, Disconnected
from api.server import Answer
from api.views.answers import ended_answer
from api.views.waiting import wait_for_private_end
from api.waiters import BriefFuture
from athena.errors import InternalError, QueueFullError
from athena.jobs import JobState
from athena.store import Reply, Submission

#: Larger requests may have inputs that do not ride in the job's message.
MAX_BYTES = 16_384

_JSON = b"application/json"

#: A request with one of these headers takes the ordinary way, unless it names a host that is known.
_UNUSUAL = frozenset(
    (
        b"prefer",
        b"expect",
        b"upgrade",
        b"transfer-encoding",
        b"content-encoding",
        b"origin",
        b"sec-fetch-site",
        b"host",
    )
)


class DirectCall:
    """A request that waits for its job; for uvicorn, which sets and reads its public attributes, a cycle.

    Args:
        gateway: where the job goes.
        size_bytes: how much of `budget` the request holds until its job is in Redis.
        keep_alive: whether the caller may send more over his connection.
        respond: called once, with the answer.
        tasks: uvicorn's, which it waits for when it is to end.
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
        # What uvicorn reads and writes.
        self.keep_alive = keep_alive
        self.response_complete = False
        self.disconnected = False

    @property
    def message_event(self) -> "DirectCall":
        """What uvicorn sets when the connection is lost; an attribute would be a circle."""
        return self

    def start(self, job: Submission, wait_s: float) -> None:
        """Submits the job."""
        self._job_id, self._wait_s = job.job_id, wait_s
        try:
            self._gateway.submit_private(job, self._release).add_done_callback(self._on_end)
        except Exception as error:
            self._answer(problem_answer(unexpected(error)))

    def lose_caller(self) -> None:
        """The connection is lost."""
        self.disconnected = True
        self.set()

    def set(self) -> None:
        """Called by uvicorn, see `message_event`."""
        if self._gone is not None:
            self._gone.set()

    async def until_disconnect(self) -> None:
        """Returns when the caller goes away."""
        self._gone = asyncio.Event()
        if not self.disconnected:
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
        answer = problem_answer(InternalError("the gateway ended before the job did; try again"))
        try:
            end = wait_for_private_end(self._gateway, self._job_id, brief, self, self._wait_s)
            answer = await answer_of(end, self._wait_s)
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


class DirectProtocol(CorkedProtocol):
    """Answers small ordinary requests itself, and hands all others to the ASGI application.

    A request is looked at when it is whole; until then uvicorn does not know of it, unless it ends before.
    """

    gateway: Gateway
    fast_path: FastPath
    budget: ByteBudget

    # The body so far of a request that may be answered directly.
    _parts: list[bytes] | None = None
    # The request that is being answered directly.
    _call: DirectCall | None = None

    def shutdown(self) -> None:
        """Called by the server, which closes connections that have no request."""
        if self._parts is not None:
            self._hand_on()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the loop; uvicorn tells the last request alone, which may still wait for its turn."""
        super().connection_lost(exc)
        if self._call is not None:
            self._call.lose_caller()
            self._forget_call()

    def _forget_call(self) -> None:
        """Breaks the circle of connection and call, which would be left to the garbage collector."""
        if isinstance(self.cycle, DirectCall):
            self.cycle = None
        self._call = None

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        if self._may_be_direct():
            self._parts = []
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        if self._parts is None:
            super().on_body(body)
        else:
            self._parts.append(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._parts is None:
            super().on_message_complete()
        elif self._start(b"".join(self._parts)):
            self._parts = None
        else:
            self._hand_on()
            super().on_message_complete()

    def _may_be_direct(self) -> bool:
        is_busy = self.cycle is not None and not self.cycle.response_complete
        parser = self.parser
        if is_busy or self.flow.write_paused or parser.get_method() != b"POST":
            return False
        # Others may not even be URLs, which uvicorn says when it hears of them.
        if not self.url.startswith(b"/"):
            return False
        if parser.get_http_version() != "1.1" or parser.should_upgrade():
            return False
        return _are_ordinary(self.headers, self.gateway.origins.known_hosts)

    def _start(self, raw: bytes) -> bool:
        """Submits the request's job; returns whether there is one."""
        try:
            prepared = self.fast_path.prepare(self.url.decode("ascii"), raw)
        except Exception as error:
            unexpected(error)
            return False
        if prepared is None:
            return False
        try:
            self.budget.take(len(raw))
        except QueueFullError:
            return False
        call = DirectCall(
            self.gateway, self.budget, len(raw), self.parser.should_keep_alive(), self._respond, self.tasks
        )
        self._call = self.cycle = call  # type: ignore[assignment]
        call.start(*prepared)
        return True

    def _hand_on(self) -> None:
        """Gives what was held back to uvicorn."""
        parts, self._parts = self._parts or [], None
        super().on_headers_complete()
        for part in parts:
            super().on_body(part)

    def _respond(self, call: DirectCall, answer: Answer) -> None:
        if call.response_complete or call.disconnected:
            return
        call.response_complete = True
        self._forget_call()
        keep_alive = call.keep_alive and not self.gateway.is_draining
        headers = [
            *self.server_state.default_headers,
            (b"content-type", _JSON),
            (b"content-length", b"%d" % len(answer.body)),
            *answer.headers,
        ]
        if not keep_alive:
            headers.append((b"connection", b"close"))
        lines = [b"%s: %s\r\n" % header for header in headers]
        self.transport.write_now(b"".join((STATUS_LINE[answer.status], *lines, b"\r\n", answer.body)))  # type: ignore[attr-defined]
        if not keep_alive:
            self.transport.close()
        self.on_response_complete()


def _are_ordinary(headers: list[tuple[bytes, bytes]], known_hosts: set[bytes]) -> bool:
    types, length = [], b""
    for name, value in headers:
        if name == b"content-type":
            types.append(value)
        elif name == b"content-length":
            length = value
        elif name in _UNUSUAL and (name != b"host" or value not in known_hosts):
            return False
    return types == [_JSON] and length.isdigit() and int(length) <= MAX_BYTES


def make_protocol(gateway: Gateway, budget: ByteBudget) -> type[DirectProtocol]:
    """Returns the protocol of a gateway's connections, as uvicorn wants it: a class."""

    class BoundProtocol(DirectProtocol):
        pass

    BoundProtocol.gateway = gateway
    BoundProtocol.fast_path = FastPath(gateway)
    BoundProtocol.budget = budget
    return BoundProtocol
