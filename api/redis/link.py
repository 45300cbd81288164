"""One Redis connection for all requests of a gateway: commands of many callers travel together."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from api.background import BackgroundLoop
from api.redis.packing import pack_commands
from api.redis.replies import RedisReplies
from athena.errors import StoreError
from athena.store.address import RedisAddress
from athena.store.connections import AsyncConnector
from athena.store.scripts import SCRIPTS, Command, script_of

logger = logging.getLogger(__name__)

#: The first try to connect comes at once, each later one within this long.
RECONNECT_S = 0.5

OnPush = Callable[[bytes], None]

#: Called with a command's reply, or with the error that it ends with.
OnReply = Callable[[Any], None]


class RedisLink:
    """Sends commands as they come and hands each caller its reply, in order, over one connection.

    All commands given within one turn of the event loop leave in one write. A reply that does not come in
    time breaks the connection: everybody who waits gets a StoreError, and the next commands use a new one.
    A command is never sent twice by itself; scripts may be repeated by their caller, because they are
    idempotent.
    """

    def __init__(self, target: RedisAddress | str, timeout_s: float) -> None:
        self._connector = AsyncConnector(target, timeout_s)
        self._timeout_s = timeout_s
        self._connection: AbstractConnection | None = None
        self._outbox: list[Command] = []
        self._waiting: deque[tuple[OnReply, float]] = deque()
        self._event_loop: asyncio.AbstractEventLoop | None = None
        self._flush_planned = False
        self._hooks: list[Callable[[], None]] = []
        self._loop = BackgroundLoop("the connection to Redis", self._run, lambda: RECONNECT_S)

    def start(self) -> None:
        """Begins to connect, and keeps connecting until `close`."""
        # Asked each time, Python 3.11 makes a system call to be sure of the process.
        self._event_loop = asyncio.get_running_loop()
        self._loop.start()

    async def close(self) -> None:
        """Ends the connection; who still waits gets a StoreError."""
        await self._loop.close()

    @property
    def is_connected(self) -> bool:
        """Whether commands can be sent at this moment."""
        return self._connection is not None

    async def execute(self, command: Command) -> Any:
        """Sends a command and returns its reply.

        Raises:
            StoreError: Redis cannot be reached, does not answer in time, or refuses the command.
        """
        try:
            return await self.send(command)
        except NoScriptError:
            script = script_of(command)
            assert script is not None
            await self.send(("SCRIPT", "LOAD", script.source))
            return await self.send(command)

    def send(self, command: Command) -> asyncio.Future[Any]:
        """Sends a command; the reply or the error comes in the future."""
        loop = self._event_loop or asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if self._connection is None:
            future.set_exception(StoreError("Redis cannot be reached"))
            return future
        self._add(command, _into(future), loop)
        return future

    def tell(self, command: Command, on_reply: OnReply) -> None:
        """Sends a command; `on_reply` is called when the reply comes, and not on another turn of the loop.

        It is given the reply, or the error, and must not raise.
        """
        loop = self._event_loop or asyncio.get_running_loop()
        if self._connection is None:
            loop.call_soon(on_reply, StoreError("Redis cannot be reached"))
        else:
            self._add(command, on_reply, loop)

    def _add(self, command: Command, on_reply: OnReply, loop: asyncio.AbstractEventLoop) -> None:
        self._outbox.append(command)
        self._waiting.append((on_reply, loop.time()))
        self._plan_flush(loop)

    def before_flush(self, hook: Callable[[], None]) -> None:
        """Calls `hook` once, before the commands of this turn leave; it may send more of them."""
        self._hooks.append(hook)
        self._plan_flush(self._event_loop or asyncio.get_running_loop())

    def _plan_flush(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            loop.call_soon(self._flush)

    def _flush(self) -> None:
        hooks, self._hooks = self._hooks, []
        try:
            for hook in hooks:
                hook()
        finally:
            # Only now, for what hooks send leaves below; and always, or nothing would ever leave again.
            self._flush_planned = False
        self.flush()

    def flush(self) -> None:
        """Sends the commands that were given so far, without waiting for the end of the turn.

        Never raises: over a broken connection nothing leaves, and who waits is told when it is noticed.
        """
        commands, self._outbox = self._outbox, []
        writer = self._connection._writer if self._connection is not None else None
        if writer is None or not commands:
            return
        packed = pack_commands(commands)
        # asyncio and uvloop raise different errors when the other side is gone.
        with contextlib.suppress(OSError, RuntimeError):
            writer.writelines(packed)

    async def _run(self) -> None:
        try:
            await self._connect_and_read()
        except (TimeoutError, RedisError, OSError) as error:
            logger.warning("lost Redis: %s", error)
        finally:
            self._drop()

    async def _connect_and_read(self) -> None:
        connection = self._connector.connection()
        try:
            await connection.connect()
            for script in SCRIPTS:
                await connection.send_command("SCRIPT", "LOAD", script.source)
                await connection.read_response()
            # Not before: replies are told apart by their order, and the first ones are those of the scripts.
            self._connection = connection
            watchdog = asyncio.create_task(self._watch(connection))
            try:
                await self._read(connection)
            finally:
                watchdog.cancel()
        finally:
            self._connection = None
            # An error from here would hide the first one.
            with contextlib.suppress(Exception):
                await connection.disconnect(nowait=True)

    async def _read(self, connection: AbstractConnection) -> None:
        await RedisReplies(connection, self._settle).until_end()

    def _settle(self, reply: Any) -> None:
        # Also for a caller who has given up, or all later replies would go to the wrong ones.
        on_reply, _ = self._waiting.popleft()
        if isinstance(reply, Exception) and not isinstance(reply, NoScriptError):
            reply = StoreError(f"Redis refused the command: {reply}")
        on_reply(reply)

    async def _watch(self, connection: AbstractConnection) -> None:
        """Breaks a connection on which the oldest reply is overdue."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._timeout_s / 4)
            if self._waiting and loop.time() - self._waiting[0][1] > self._timeout_s:
                logger.warning("Redis did not answer within %s s", self._timeout_s)
                await connection.disconnect(nowait=True)
                return

    def _drop(self) -> None:
        # Not kept for the next connection: their callers are told that they failed.
        self._outbox.clear()
        waiting, self._waiting = self._waiting, deque()
        for on_reply, _ in waiting:
            on_reply(StoreError("the connection to Redis was lost"))


def _into(future: asyncio.Future[Any]) -> OnReply:
    """Returns what puts a reply, or an error, into a future."""

    def settle(reply: Any) -> None:
        if future.done():
            return
        if isinstance(reply, Exception):
            future.set_exception(reply)
        else:
            future.set_result(reply)

    return settle


class Subscriber:
    """Listens on one channel, and tells when it listens again after a break."""

    def __init__(
        self,
        target: RedisAddress | str,
        timeout_s: float,
        channel: str,
        on_push: OnPush,
        on_connect: Callable[[], None],
    ) -> None:
        # Half of it for silence, half of it for the answer to a ping.
        self._silence_s = timeout_s / 2
        self._connector = AsyncConnector(target, self._silence_s)
        self._channel = channel
        self._on_push = on_push
        self._on_connect = on_connect
        self._loop = BackgroundLoop("the reply channel", self._run, lambda: RECONNECT_S)
        self.is_connected = False

    def start(self) -> None:
        """Begins to listen, and keeps listening until `close`."""
        self._loop.start()

    async def close(self) -> None:
        """Stops listening."""
        await self._loop.close()

    async def _run(self) -> None:
        try:
            await self._connect_and_listen()
        except (TimeoutError, RedisError, OSError) as error:
            logger.warning("lost the reply channel: %s", error)
        finally:
            self.is_connected = False

    async def _connect_and_listen(self) -> None:
        connection = self._connector.connection()
        try:
            await connection.connect()
            await connection.send_command("SUBSCRIBE", self._channel)
            await connection.read_response(disable_decoding=True, disconnect_on_error=False)
            self.is_connected = True
            # What was published during the break is lost, so who waits has to look.
            self._on_connect()
            await self._listen(connection)
        finally:
            with contextlib.suppress(Exception):
                await connection.disconnect(nowait=True)

    async def _listen(self, connection: AbstractConnection) -> None:
        """Hears messages; silence is answered with a ping, silence after that is a dead connection."""
        replies = RedisReplies(connection, self._hear)
        loop = asyncio.get_running_loop()
        while True:
            await replies.until_end(max(0.0, replies.heard_s + self._silence_s - loop.time()))
            asked_s = loop.time()
            if asked_s - replies.heard_s < self._silence_s:
                continue
            await connection.send_command("PING", check_health=False)
            await replies.until_end(self._silence_s)
            if replies.heard_s < asked_s:
                raise RedisConnectionError("the reply channel does not answer a ping")

    def _hear(self, message: Any) -> None:
        # Redis refuses pings too while its disk is full; that is a sign of life like any answer.
        if isinstance(message, list) and message[0] == b"message":
            self._on_push(message[2])
