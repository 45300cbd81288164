"""Connections that begin with TLS, from their first byte on."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from api.http.connection import Connection
from api.http.patience import Admission, Doors
from athena.runtime.certificate import Certificate

logger = logging.getLogger(__name__)

#: From a connection's beginning to the end of its handshake.
HANDSHAKE_S = 10.0

#: How long the other side may take to say that it has heard of the end (`close_notify`).
SHUTDOWN_S = 5.0

#: So many connections are accepted in one turn of the loop.
AT_ONCE = 64

#: When to accept again after there were no descriptors left.
RETRY_S = 0.5


class Handshake:
    """A connection until it speaks TLS.

    Attributes:
        task: what carries the handshake out.
    """

    def __init__(self, channel: socket.socket, server_state: ServerState, doors: Doors, now_s: float) -> None:
        self._channel = channel
        self._state = server_state
        self._doors = doors
        self.task: asyncio.Task[None] | None = None
        self.since_s = now_s
        self.has_been_served = False
        self.origin = ""
        self.is_silent = True

    def enter(self, peer: str) -> bool:
        """Counts itself among the connections; returns whether there is room."""
        others: Any = self._state.connections
        if self._doors.admit(self, peer, others) is not Admission.ADMITTED:
            return False
        others.add(self)
        return True

    def leave(self) -> None:
        """It is over, or a connection takes its place."""
        others: Any = self._state.connections
        others.discard(self)
        self._doors.leave(self)

    def end(self) -> None:
        """Lets the socket go; where a transport has it, that closes it in its time."""
        self.leave()
        self._channel.close()

    def close_silent(self) -> None:
        """Ends it; nothing has been asked yet."""
        self.leave()
        if self.task is not None:
            self.task.cancel()

    # What uvicorn's server and the sweep call.
    shutdown = end_receiving = close_silent

    def tick(self, now_s: float) -> None:
        """Its time is the loop's to watch."""


class SecureListener:
    """Accepts connections and has each of them speak TLS before anything else.

    They are accepted here, not by the loop's own server, because that tells of a connection when its
    handshake is done: until then it would count nowhere, and strangers who open many and say nothing would
    take all descriptors.

    Args:
        listening: the socket.
        protocol: of the connections.
        config: of uvicorn.
        server_state: of uvicorn; holds the connections.
        certificate: whose newest context each new connection gets.
    """

    def __init__(
        self,
        listening: socket.socket,
        protocol: type[Connection],
        config: uvicorn.Config,
        server_state: ServerState,
        certificate: Certificate,
    ) -> None:
        self._listening = listening
        self._protocol = protocol
        self._config = config
        self._state = server_state
        self._certificate = certificate
        self._loop = asyncio.get_running_loop()
        self._retry: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins to accept."""
        self._listening.setblocking(False)
        self._loop.add_reader(self._listening, self._accept)

    def close(self) -> None:
        """Accepts no more; the socket stays open for a supervisor's next gateway."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Is there because uvicorn awaits it."""

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                channel, peer = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                logger.error("cannot accept connections: %s", error)
                self._loop.remove_reader(self._listening)
                self._retry = self._loop.call_later(RETRY_S, self.start)
                return
            self._begin(channel, str(peer[0]) if isinstance(peer, tuple) else "")

    def _begin(self, channel: socket.socket, peer: str) -> None:
        channel.setblocking(False)
        handshake = Handshake(channel, self._state, self._protocol.doors, self._loop.time())
        if not handshake.enter(peer):
            # There is no way yet to say why.
            channel.close()
            return
        handshake.task = self._loop.create_task(self._shake_hands(handshake, channel))
        self._state.tasks.add(handshake.task)
        handshake.task.add_done_callback(self._state.tasks.discard)
        # Not within the task: one that is canceled before its first step runs nothing.
        handshake.task.add_done_callback(lambda _: handshake.end())

    async def _shake_hands(self, handshake: Handshake, channel: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._successor_of(handshake),
                channel,
                ssl=self._certificate.context,
                ssl_handshake_timeout=HANDSHAKE_S,
                ssl_shutdown_timeout=SHUTDOWN_S,
            )
        except OSError as error:
            # Scanners, and callers of other protocols: a line for each would fill the log.
            logger.debug("no handshake: %s", error)

    def _successor_of(self, handshake: Handshake) -> Callable[[], Connection]:
        def make() -> Connection:
            connection = self._protocol(self._config, self._state, {}, self._loop)
            made = connection.connection_made

            def take_its_place(transport: asyncio.Transport) -> None:
                # First: at a limit there is room for one of the two alone.
                handshake.leave()
                made(transport)

            connection.connection_made = take_its_place  # type: ignore[method-assign]
            return connection

        return make
