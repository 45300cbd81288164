"""The HTTP server process: how it gets its socket, and how it leaves without failing a request."""

import asyncio
import socket
from types import FrameType

import uvicorn

from api.gateway import Gateway

#: How long connections without a request may stay when the gateway wants to end.
DRAIN_S = 2.0

TURN_S = 0.05


class GatewayServer(uvicorn.Server):
    """uvicorn, which on the first SIGTERM lets its connections end before it closes them.

    Each answer then carries `Connection: close`, so that no caller sends a request into a connection that is
    being closed.

    Args:
        gateway: what it serves.
        inherited: the listening socket of a supervisor, which keeps it while one gateway follows another.
    """

    def __init__(self, config: uvicorn.Config, gateway: Gateway, inherited: socket.socket | None) -> None:
        super().__init__(config)
        self._gateway = gateway
        self._inherited = inherited
        self._drain: asyncio.Task[None] | None = None

    def serve_forever(self) -> None:
        """Serves until a signal comes."""
        self.run(sockets=[self._inherited] if self._inherited else None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to leave; a second signal ends the process at once."""
        if self._gateway.is_draining:
            super().handle_exit(sig, frame)
            return
        self._gateway.is_draining = True
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(self._begin_to_drain)

    def _begin_to_drain(self) -> None:
        self._drain = asyncio.get_running_loop().create_task(self._leave())

    async def _leave(self) -> None:
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
