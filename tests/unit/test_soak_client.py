"""The client of the soak: connections are used again, and what is no whole answer is told."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from tests.soak.client import Answer, BrokenError, Client

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
LAST = b"HTTP/1.1 503 Busy\r\nConnection: close\r\ncontent-length: 0\r\n\r\n"


def answers(*answers: bytes, ask: Callable[[Client], Awaitable[object]], timeout_s: float = 5) -> int:
    """Asks a server that gives these answers on each connection; returns how many connections it has seen."""
    connections: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError):
            for answer in answers:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(answer)
        writer.close()
        await writer.wait_closed()

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            client = Client(f"http://127.0.0.1:{port}", timeout_s)
            await ask(client)
            client.close()
            await asyncio.gather(*(task for task in connections if task))

    asyncio.run(run())
    return len(connections)


def test_connection_is_used_again() -> None:
    async def ask(client: Client) -> None:
        for _ in range(2):
            assert await client.ask("GET", "/") == Answer(200, b"ok")

    assert answers(OK, OK, ask=ask) == 1


def test_connection_that_the_server_closes_is_not() -> None:
    async def ask(client: Client) -> None:
        for _ in range(2):
            assert await client.ask("GET", "/") == Answer(503, b"")

    assert answers(LAST, ask=ask) == 2


@pytest.mark.parametrize("answer", [b"", OK[:-1], b"HTTP/1.1 200 OK\r\n\r\n"])
def test_what_is_no_whole_answer_is_told(answer: bytes) -> None:
    async def ask(client: Client) -> None:
        with pytest.raises(BrokenError):
            await client.ask("GET", "/")

    answers(answer, ask=ask)


def test_silence_is_told() -> None:
    async def ask(client: Client) -> None:
        with pytest.raises(TimeoutError):
            await client.ask("GET", "/")

    answers(b"HTTP/1.1", OK, ask=ask, timeout_s=0.05)
