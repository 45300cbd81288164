"""A gateway's HTTP server on a real socket, without Redis; tests say what time it is."""

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Self

import uvicorn
import uvloop
from uvicorn.server import ServerState

from api.app import create_server
from api.fast_path.direct_protocol import make_protocol
from api.http.connection import Connection
from api.http.request_body import ByteBudget
from api.http.secure_listener import SecureListener
from athena.runtime.certificate import Certificate
from tests.callers import Knowing

TIMEOUT_S = 30.0


class Listener:
    """The protocol on uvloop in a thread of its own, with the application behind it."""

    def __init__(
        self,
        gateway: Knowing,
        budget_bytes: int,
        max_connections: int,
        certificate: Certificate | None = None,
    ) -> None:
        self.gateway = gateway
        self.budget = ByteBudget(budget_bytes)
        self.state = ServerState()
        self.loop = uvloop.new_event_loop()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        app = create_server(gateway, self.budget)
        config = uvicorn.Config(app, interface="asgi3", ws="none", lifespan="off", proxy_headers=False)
        config.load()
        protocol = make_protocol(gateway, self.budget, max_connections)
        self._config, self._protocol, self._certificate = config, protocol, certificate
        self._factory = lambda: protocol(config, self.state, {}, self.loop)
        self._thread = threading.Thread(target=self.loop.run_forever)

    def start(self) -> None:
        self._thread.start()
        self.run(self._listen)

    async def _listen(self) -> None:
        if self._certificate is None:
            self._server: Any = await self.loop.create_server(self._factory, sock=self._socket)
            return
        self._server = SecureListener(
            self._socket, self._protocol, self._config, self.state, self._certificate
        )
        self._server.start()

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Calls a function on the loop; returns what it does."""

        async def call() -> Any:
            result = function(*arguments)
            return await result if asyncio.iscoroutine(result) else result

        done: Future[Any] = asyncio.run_coroutine_threadsafe(call(), self.loop)
        return done.result(TIMEOUT_S)

    @property
    def connections(self) -> list[Connection]:
        return list(self.state.connections)  # type: ignore[arg-type]

    def each(self, name: str) -> None:
        """Calls a method of all connections."""
        self.run(lambda: [getattr(connection, name)() for connection in self.connections] and None)

    def pass_time(self, seconds: float) -> None:
        """Looks after all connections as if it were so much later."""

        def tick() -> None:
            for connection in self.connections:
                connection.tick(self.loop.time() + seconds)

        self.run(tick)

    def stop(self) -> None:
        self.run(self._end)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    async def _end(self) -> None:
        self._server.close()
        self._socket.close()
        for connection in self.connections:
            connection.close_silent()
        for task in list(self.state.tasks):
            task.cancel()
        while self.state.connections or self.state.tasks:
            await asyncio.sleep(0.001)


@contextlib.contextmanager
def listening(
    gateway: Knowing,
    budget_bytes: int = 10**8,
    max_connections: int = 1000,
    certificate: Certificate | None = None,
) -> Iterator[Listener]:
    """Serves until the block ends."""
    listener = Listener(gateway, budget_bytes, max_connections, certificate)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


class Answered:
    """An answer as its caller reads it."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head.decode("latin-1").lower()
        self.status = int(head.split(b" ", 2)[1])
        self.body = body

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def closes(self) -> bool:
        return "connection: close" in self.head


class Client:
    """A raw socket to a listener."""

    def __init__(self, listener: Listener) -> None:
        self.socket = socket.create_connection(("127.0.0.1", listener.port), TIMEOUT_S)
        self._read = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def _more(self) -> bool:
        data = self.socket.recv(1_000_000)
        self._read += data
        return bool(data)

    def answer(self) -> Answered:
        """Reads the next answer."""
        while b"\r\n\r\n" not in self._read:
            assert self._more(), f"closed after {self._read!r}"
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        size = int(lengths[0].partition(b":")[2]) if lengths else 0
        while len(self._read) < size:
            assert self._more(), f"closed within the answer {head!r}"
        body, self._read = self._read[:size], self._read[size:]
        return Answered(head, body)

    def rest(self) -> bytes:
        """Reads to the end of the connection."""
        while self._more():
            pass
        return self._read

    def answers(self) -> list[Answered]:
        """Reads all answers until the server closes."""
        found = []
        while self._read or self._more():
            found.append(self.answer())
        return found


def exchange(listener: Listener, *pieces: bytes) -> list[Answered]:
    """Sends pieces over a new connection; returns all answers, read until it is closed."""
    with Client(listener) as client:
        client.send(*pieces)
        return client.answers()
