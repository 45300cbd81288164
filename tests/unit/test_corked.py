"""Head and body of an answer leave together."""

import asyncio
from typing import Any

import pytest

from api.corked import CorkedTransport


class Wire:
    """A transport that notes what is done with it."""

    def __init__(self) -> None:
        self.writes: list[list[bytes]] = []
        self.is_closed = False

    def writelines(self, parts: list[bytes]) -> None:
        self.writes.append(parts)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def get_extra_info(self, name: str) -> str:
        return name


@pytest.fixture
def wire() -> Wire:
    return Wire()


def corked(wire: Any) -> CorkedTransport:
    return CorkedTransport(wire, asyncio.get_running_loop())


def test_what_is_written_in_one_turn_leaves_at_once(wire: Wire) -> None:
    async def write() -> None:
        transport = corked(wire)
        transport.write(b"head")
        transport.write(b"body")
        assert wire.writes == []
        await asyncio.sleep(0)
        transport.write(b"next")
        await asyncio.sleep(0)
        assert transport.get_extra_info("peername") == "peername"

    asyncio.run(write())

    assert wire.writes == [[b"head", b"body"], [b"next"]]


def test_nothing_is_lost_when_it_is_closed(wire: Wire) -> None:
    async def write() -> None:
        transport = corked(wire)
        transport.write(b"last")
        transport.close()
        assert wire.writes == [[b"last"]]
        transport.write(b"too late")
        await asyncio.sleep(0)

    asyncio.run(write())

    assert wire.is_closed
    assert wire.writes == [[b"last"]]
