"""Many callers that wait for their answers at one gateway."""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import uvloop

from athena.runtime.open_files import allow_open_files
from benchmarks.harness import Served, served
from benchmarks.scale.stack import BODY, Usage, client_of, gate_ability, gateway_of

#: So many callers connect at a time, as a crowd does that a load balancer passes on.
AT_ONCE = 500

CONNECT_TIMEOUT_S = 60
ANSWER_TIMEOUT_S = 300


class Caller(asyncio.Protocol):
    """Sends one request and waits for the status of its answer; 0 if the connection is lost before."""

    def __init__(self, request: bytes, crowd: "Crowd") -> None:
        self._request = request
        self._crowd = crowd
        self._status = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self._status:
            self._status = int(data.split(b" ", 2)[1])
            self._crowd.hear(self._status)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._status:
            self._crowd.hear(0)


class Crowd:
    """All callers; `statuses` counts how they were answered."""

    def __init__(self, url: str, clients: int) -> None:
        self.statuses: dict[int, int] = {}
        address = urlsplit(url)
        self._host, self._port = str(address.hostname), int(address.port or 80)
        self._clients = clients
        self._left = clients
        self._all_heard = asyncio.Event()

    async def gather(self) -> None:
        """Connects everybody and sends their requests."""
        head = "POST /gate HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(BODY)}\r\n\r\n".encode() + BODY
        loop = asyncio.get_running_loop()
        for first in range(0, self._clients, AT_ONCE):
            count = min(AT_ONCE, self._clients - first)
            new = (
                loop.create_connection(lambda: Caller(request, self), self._host, self._port)
                for _ in range(count)
            )
            await asyncio.gather(*new)

    def hear(self, status: int) -> None:
        """Notes how a caller was answered."""
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self._left -= 1
        if not self._left:
            self._all_heard.set()

    async def answered(self) -> None:
        """Waits until everybody was answered."""
        await asyncio.wait_for(self._all_heard.wait(), ANSWER_TIMEOUT_S)


def measure(clients: int, seconds: float) -> dict[str, object]:
    """Lets clients wait for a while, then answers them all."""
    allow_open_files()
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as name:
        closed = Path(name) / "closed"
        closed.touch()
        try:
            with served(gate_ability(Path(name), closed)) as athena:
                return uvloop.run(_measure(athena, closed, clients, seconds))
        finally:
            closed.unlink(missing_ok=True)


async def _measure(athena: Served, closed: Path, clients: int, seconds: float) -> dict[str, object]:
    gateway, client = gateway_of(athena), client_of(athena)
    empty_bytes = gateway.memory_info().rss
    crowd = Crowd(athena.url, clients)
    began_s = time.monotonic()
    await crowd.gather()
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        while int(client.zcard("athena:open:gate")) < clients - sum(crowd.statuses.values()):
            await asyncio.sleep(0.05)
    gathered_s = time.monotonic() - began_s
    full_bytes = gateway.memory_info().rss
    before = Usage.now(athena, client)
    await asyncio.sleep(seconds)
    waiting = Usage.now(athena, client).per_second(before)
    lifted_s = time.monotonic()
    closed.unlink()
    await crowd.answered()
    return {
        "clients": clients,
        "all_wait_after_s": gathered_s,
        "gateway_bytes_per_client": (full_bytes - empty_bytes) / clients,
        "gateway_mib": full_bytes / 2**20,
        "while_they_wait": waiting,
        "answered_within_s": time.monotonic() - lifted_s,
        "statuses": {str(status): count for status, count in sorted(crowd.statuses.items())},
    }
