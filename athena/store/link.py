"""One connection to Redis for programs that wait for each answer: workers, supervisors, operators."""

import socket
import struct
import threading
from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from athena.store.address import RedisAddress
from athena.store.connections import pool_of
from athena.store.scripts import Command, Script, script_of

#: Up to this size, a copy costs less than a write more.
JOINED_BYTES = 65_536

_SECOND_US = 1_000_000


class BlockingLink:
    """Runs commands and returns replies as Redis gives them; repeats nothing by itself.

    Args:
        target: where Redis is.
        timeout_s: how long to wait for a connection, and for each answer.
        scripts: loaded with each new connection.
    """

    def __init__(self, target: RedisAddress | str, timeout_s: float, scripts: Sequence[Script] = ()) -> None:
        # The pool only makes the connection; one to a master that sentinels name refers to it later.
        self._pool = pool_of(target, timeout_s)
        self._connection: Any = self._pool.make_connection()
        self._scripts = scripts
        self._is_connected = False
        self._lock = threading.Lock()

    def execute(self, command: Command) -> Any:
        """Runs a command; connects first if need be.

        Raises:
            redis.RedisError: Redis cannot be reached, does not answer in time, or refuses the command.
        """
        [reply] = self.run([command])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """Sends all commands at once and returns their replies; a refused command's reply is its error.

        Raises:
            redis.ConnectionError: the connection broke; it is not known which commands were carried out.
            redis.TimeoutError: the same, because no reply came in time.
        """
        with self._lock:
            replies = self._send(commands)
            unknown = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            scripts = {script for index in unknown if (script := script_of(commands[index]))}
            if scripts:
                self._send([load_command(script) for script in scripts])
                # Only what Redis did not know: the others were carried out, and this repeats nothing.
                again = self._send([commands[index] for index in unknown])
                for index, reply in zip(unknown, again, strict=True):
                    replies[index] = reply
        return replies

    def post(self, commands: Sequence[Command]) -> None:
        """Sends commands whose replies come later: `read` waits for them. For a link of one thread alone.

        Raises:
            redis.RedisError: as `run` does.
        """
        with self._lock:
            try:
                self._open()
                self._write(commands)
            except BaseException:
                self.close()
                raise

    def read(self, count: int) -> list[Any]:
        """Returns the next replies to what was posted; a refused command's reply is its error.

        Raises:
            redis.RedisError: as `run` does.
        """
        try:
            return [self._read() for _ in range(count)]
        except BaseException:
            self.close()
            raise

    def break_off(self) -> None:
        """Leaves the connection: the host behind it may be gone. The next command makes a new one."""
        with self._lock:
            self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._is_connected = False
        self._connection.disconnect()

    def _send(self, commands: Sequence[Command]) -> list[Any]:
        try:
            self._open()
            return self._exchange(commands)
        except BaseException:
            # A reply that was not read must not be taken for that of the next command.
            self.close()
            raise

    def _open(self) -> None:
        if not self._is_connected:
            # Asks the sentinels, if there are any, for the master of this moment.
            self._connection.connect()
            # Before they are used: one that is repeated later would see what came after it.
            self._exchange([load_command(script) for script in self._scripts])
            wait_in_kernel(self._connection)
            self._is_connected = True

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        """One write, then the replies; a redis-py pipeline does the same at three times the cost."""
        self._write(commands)
        return [self._read() for _ in commands]

    def _write(self, commands: Sequence[Command]) -> None:
        # hiredis packs, and its own types allow a tuple of one only.
        packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]
        if sum(map(len, packed)) <= JOINED_BYTES:
            packed = [b"".join(packed)]
        self._connection.send_packed_command(packed, check_health=False)

    def _read(self) -> Any:
        try:
            return self._connection.read_response(disable_decoding=True)
        # An error is a reply that was read to its end: the connection is sound.
        except ResponseError as error:
            return error
        except RedisConnectionError as error:
            # As the kernel says that time is up (`wait_in_kernel`).
            if isinstance(error.__context__, BlockingIOError):
                raise RedisTimeoutError("Redis did not answer in time") from error
            raise


def wait_in_kernel(connection: Any) -> None:
    """Has the kernel watch the time; Python would ask it before each call whether it may go on.

    TLS has to know of its waits.
    """
    channel = connection._sock
    limit_s = channel.gettimeout()
    if type(channel) is not socket.socket or not limit_s:
        return
    limit_us = int(limit_s * _SECOND_US)
    limit = struct.pack("ll", *divmod(limit_us, _SECOND_US))
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
    channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    channel.settimeout(None)


def load_command(script: Script) -> Command:
    """Makes a script known to Redis."""
    return ("SCRIPT", "LOAD", script.source)
