"""The requests of a connection: each passes the gate, and is answered in its turn."""

import asyncio
from contextvars import Context
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from api.gateway.gate import VISIT, Gate, Visit
from api.gateway.http_tally import HttpTally
from api.http.exchange import Exchange, scope_of
from api.http.framing import Framing
from api.http.heads import fault_of
from api.http.request_body import DIGEST


class Turns(Framing):
    """Hands requests to the ASGI application, one at a time.

    Attributes:
        running: the call that is being answered.
        waiting: those behind it; what comes after them is not parsed meanwhile.
    """

    gate: Gate
    #: Where answered requests are counted.
    http: HttpTally

    def __init__(self, config: uvicorn.Config, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.loop = loop
        self.state = state
        self._app = config.loaded_app
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        #: The address at the other end.
        self.peer = ""
        self.running: Any = None
        self.waiting: list[Exchange] = []
        # The one whose body is being received.
        self._receiving: Exchange | None = None
        # Of the request that is being received, until somebody answers it.
        self._visit: Visit | None = None

    def begin_request(self) -> None:
        """A head is whole: the gate lets the request in, or the caller hears in his turn why it does not."""
        head = (self.method, self.url, self.headers)
        visit = self._visit = self.gate.enter(*head, self.transport, self.peer)
        if visit is not None:
            self.url = visit.target
        if visit is not None and visit.refusal is not None:
            self.hand_on({})
        else:
            self.take_request()

    def take_request(self) -> None:
        """The application gets the request, now or in its turn."""
        self.hand_on({})

    def hand_on(self, known: dict[str, Any]) -> None:
        """Hands the request to the application, with what is known of it beside its head.

        One that the gate has refused goes no further than its exchange.

        Raises:
            AthenaError: its head cannot be understood.
        """
        fault = fault_of(self.version, self.headers)
        if fault is not None:
            raise fault
        awaits = any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.headers)
        keep_alive = self.version != "1.0" and bool(self.parser.should_keep_alive())
        scope = scope_of(self.method, self.url, self.version, self.headers, self.transport) | known
        visit = self.take_visit()
        if visit is not None:
            scope[VISIT], scope[DIGEST] = visit, visit.digest
        # The connection itself is where the answer goes.
        exchange = self._receiving = Exchange(self, scope, keep_alive, awaits, visit)  # type: ignore[arg-type]
        exchange.began_s = self.http.now()
        if self.running is None:
            self.start(exchange)
        else:
            self.waiting.append(exchange)

    def add_body(self, body: bytes) -> None:
        """A piece of the body has come."""
        if self._receiving is not None:
            self._receiving.add(body)

    def end_request(self) -> None:
        """The request is whole."""
        if self._receiving is not None:
            self._receiving.end()
            self._receiving = None

    def must_wait(self) -> bool:
        """Whether a request waits for its turn."""
        return bool(self.waiting)

    def take_visit(self) -> Visit | None:
        """Returns what the gate has noted of the request, and leaves it to whoever answers it."""
        visit, self._visit = self._visit, None
        return visit

    def start(self, exchange: Exchange) -> None:
        """Has the application answer a request whose turn it is."""
        self.running = exchange
        # A pipelined request would find the Flask context of the one before in this one.
        task = self.loop.create_task(exchange.run(self._app), context=Context())
        self.state.tasks.add(task)
        task.add_done_callback(self.state.tasks.discard)

    def leave_unanswered(self, status: int) -> None:
        """The request that is being received gets no answer of its own; the status is what is noted of it."""
        visit = self.take_visit()
        if visit is not None:
            visit.leave(status)

    def lose_waiting(self) -> None:
        """Forgets the requests that wait for their turn."""
        waiting, self.waiting = self.waiting, []
        for exchange in waiting:
            exchange.lose_caller()

    def lose_last(self, status: int) -> None:
        """Forgets the whole request that has come last."""
        if self.waiting:
            self.waiting.pop().lose_caller(status)

    def drop_unfinished(self, status: int) -> bool:
        """Forgets the request whose body will not come to its end; returns whether it has no answer yet.

        Args:
            status: what is noted of it.
        """
        exchange, self._receiving = self._receiving, None
        self.leave_unanswered(status)
        if exchange is None:
            return True
        if exchange in self.waiting:
            self.waiting.remove(exchange)
        elif exchange is self.running:
            self.running = None
        else:
            return False
        exchange.lose_caller(status)
        return True
