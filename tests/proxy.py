"""A TCP proxy that behaves as broken networks do."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum


class Mode(Enum):
    """What the proxy does with what it is sent."""

    PASS = "pass"
    BLACK_HOLE = "black hole"
    DROP_REPLIES = "drop replies"
    SLOW = "slow"


#: How much later everything arrives on a slow link, in each direction.
SLOW_S = 0.1


class Proxy:
    """Forwards connections to a server of this machine, on a thread of its own.

    In a black hole nothing is forwarded and nothing is closed. Dropped replies never arrive, though what was
    asked is carried out. `heal` closes the connections that suffered: what was lost cannot be made good.
    """

    def __init__(self, target_port: int, host: str = "127.0.0.1") -> None:
        self.port = 0
        #: How much later everything arrives while the link is slow.
        self.delay_s = SLOW_S
        self.host = host
        self._target_port = target_port
        self._mode = Mode.PASS
        self._writers: set[asyncio.StreamWriter] = set()
        self._callers: set[asyncio.StreamWriter] = set()
        self._forgotten: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begins to listen."""
        self._thread.start()
        assert self._ready.wait(60)

    def stop(self) -> None:
        """Ends all connections."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)

    @property
    def is_broken(self) -> bool:
        """Whether it misbehaves."""
        return self._mode is not Mode.PASS

    def break_down(self, mode: Mode) -> None:
        """Misbehaves from now on, on old connections and new ones."""
        self._mode = mode

    def heal(self) -> None:
        """Behaves again."""
        self._mode = Mode.PASS
        self._loop.call_soon_threadsafe(self._cut)

    @contextmanager
    def broken(self, mode: Mode) -> Iterator[None]:
        """Misbehaves for the time of a block."""
        self.break_down(mode)
        try:
            yield
        finally:
            self.heal()

    def forget(self) -> None:
        """Leaves all connections half open: the server's ends are closed, the callers' hear of nothing.

        So does a router that has lost its table, or a server's machine that was switched off and on again.
        New connections are served.
        """
        self._loop.call_soon_threadsafe(self._forget)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.close()

    def _forget(self) -> None:
        self._forgotten |= self._callers
        for writer in self._writers - self._callers:
            writer.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, self.host, 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.close()
            return
        self._writers |= {writer, far_writer}
        self._callers.add(writer)
        await asyncio.gather(
            self._forward(reader, far_writer, caller=writer),
            self._forward(far_reader, writer, caller=writer),
            return_exceptions=True,
        )
        for end in (writer, far_writer):
            for ends in (self._writers, self._callers, self._forgotten):
                ends.discard(end)
            end.close()

    async def _forward(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, caller: asyncio.StreamWriter
    ) -> None:
        try:
            while data := await reader.read(65536):
                is_lost = self._mode is Mode.DROP_REPLIES and writer is caller
                if self._mode is Mode.BLACK_HOLE or is_lost or caller in self._forgotten:
                    continue
                if self._mode is Mode.SLOW:
                    await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            if writer not in self._forgotten:
                writer.close()
