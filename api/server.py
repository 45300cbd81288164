"""The HTTP server process: how it gets its socket, and how it leaves without failing a request."""

import asyncio
import contextlib
import logging
import socket
import sys
from types import FrameType
from typing import cast

import uvicorn

from api.background import BackgroundLoop
from api.gateway.gateway import Gateway
from api.http.connection import Connection
from api.http.secure_listener import SecureListener
from athena.runtime.certificate import Certificate
from athena.runtime.listening import listen
from athena.runtime.service_manager import ServiceManager

logger = logging.getLogger(__name__)

#: How long connections without a request may stay when the gateway wants to end.
DRAIN_S = 2.0

TURN_S = 0.05

#: How much longer than `grace_s` a service manager waits for the end.
STOP_MARGIN_S = 15.0

#: How often it is looked for connections that take too long.
SWEEP_S = 1.0

#: How often uvicorn's own housekeeping has its turn: the date in headers.
HOUSEKEEPING_S = 1.0


class GatewayServer(uvicorn.Server):
    """uvicorn, which on the first SIGTERM lets its connections end before it closes them.

    Each answer then carries `Connection: close`, so that no caller sends a request into a connection that is
    being closed. After `grace_s` those who still wait are answered as if their limit had passed.

    Args:
        gateway: what it serves.
        service: hears how long the end may take.
        inherited: the listening socket of a supervisor, which keeps it while one gateway follows another.
        certificate: what it shows its callers, looked at once a second.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        gateway: Gateway,
        service: ServiceManager,
        inherited: socket.socket | None,
        certificate: Certificate | None = None,
    ) -> None:
        super().__init__(config)
        self._certificate = certificate
        self._gateway = gateway
        self._service = service
        self._inherited = inherited
        self._drain: asyncio.Task[None] | None = None
        self._ends = asyncio.Event()
        self._sweeper = BackgroundLoop("the look at connections", self._sweep, lambda: SWEEP_S)

    def serve_forever(self) -> None:
        """Serves until a signal comes."""
        if self._certificate is not None:
            # It accepts none itself.
            self.run(sockets=[])
            return
        self.run(sockets=[self._inherited] if self._inherited else None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen, and to look after the connections."""
        await super().startup(sockets)
        if self._certificate is not None:
            self._listen(self._certificate)
        if self._gateway.settings.metrics_port:
            await self._listen_for_metrics()
        self._sweeper.start()

    def _listen(self, certificate: Certificate) -> None:
        config = self.config
        try:
            listening = self._inherited or listen(config.host, config.port)
        except OSError as error:
            # As uvicorn does where it listens itself.
            logger.error("cannot listen on %s:%d: %s", config.host, config.port, error)
            sys.exit(1)
        protocol = cast(type[Connection], config.http_protocol_class)
        listener = SecureListener(listening, protocol, config, self.server_state, certificate)
        listener.start()
        self.servers = [cast(asyncio.Server, listener)]

    async def _listen_for_metrics(self) -> None:
        """Listens where `/metrics` needs no key; what else comes there is refused by the gate."""
        settings, config = self._gateway.settings, self.config
        where = (settings.metrics_host, settings.metrics_port)
        protocol = cast(type[Connection], config.http_protocol_class)
        loop = asyncio.get_running_loop()
        try:
            # The next gateway listens before this one has ended.
            server = await loop.create_server(
                lambda: protocol(config, self.server_state, self.lifespan.state), *where, reuse_port=True
            )
        except OSError as error:
            logger.error("cannot listen on %s:%d (ATHENA_METRICS_PORT): %s", *where, error)
            sys.exit(1)
        self.servers.append(server)

    async def main_loop(self) -> None:
        """Waits for the end; uvicorn looks for it ten times a second, which keeps an idle host awake."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ends.wait(), HOUSEKEEPING_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends all connections."""
        await super().shutdown(sockets)
        # Last: uvicorn waits for connections of which the sweep ends those that linger or are stuck.
        await self._sweeper.close()

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        if self._certificate is not None:
            self._certificate.renew()
        for connection in self._connections():
            try:
                connection.tick(loop.time())
            except Exception:
                # Nothing but the sweep ends slow connections: one of them must not keep the others.
                logger.exception("a connection cannot be looked after")

    def _connections(self) -> list[Connection]:
        return list(cast(set[Connection], self.server_state.connections))

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to leave; a second signal ends the process at once."""
        loop = asyncio.get_running_loop()
        if self._gateway.is_draining:
            super().handle_exit(sig, frame)
            loop.call_soon_threadsafe(self._ends.set)
            return
        self._gateway.is_draining = True
        # A signal may come within any step of the loop; this is the call that is safe there.
        loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        self._drain = asyncio.get_running_loop().create_task(self._leave())

    def _lose_patience(self) -> None:
        self._gateway.patience.lose()
        for connection in self._connections():
            connection.end_receiving()

    async def _leave(self) -> None:
        self._service.stopping(self._gateway.settings.grace_s + STOP_MARGIN_S)
        asyncio.get_running_loop().call_later(self._gateway.settings.grace_s, self._lose_patience)
        if self._inherited:
            # Who connects from now on waits in the supervisor's socket for the next gateway.
            for server in self.servers:
                server.close()
        turns = int(DRAIN_S / TURN_S)
        for _ in range(turns):
            if not self.server_state.connections:
                break
            await asyncio.sleep(TURN_S)
        self.should_exit = True
        self._ends.set()
