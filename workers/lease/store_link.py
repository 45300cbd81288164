"""A worker's own connection to Redis: several commands in one send, no silent repetition."""

import threading
import time
from typing import Any

from hiredis import pack_command
from redis.exceptions import NoScriptError, RedisError, ResponseError

from athena.store.address import RedisAddress
from athena.store.connections import client_of, pool_of
from athena.store.keys import payload_key
from athena.store.scripts import SCRIPTS, Command

#: How long an inference thread waits for Redis to come back before a job fails for want of its inputs.
PAYLOAD_PATIENCE_S = 20.0

#: Payloads are large; redis-py reads 64 KiB at a time otherwise.
PAYLOAD_READ_BYTES = 1_048_576

PAYLOAD_PAUSE_S = 0.25


class StoreLink:
    """Runs commands in bulk, and fetches inputs; a connection for each, as they come from two threads."""

    def __init__(self, target: RedisAddress | str, timeout_s: float) -> None:
        # The pool only makes the connection; one to a master that sentinels name refers to it later.
        self._pool = pool_of(target, timeout_s)
        self._connection: Any = self._pool.make_connection()
        self._payloads = client_of(target, timeout_s, socket_read_size=PAYLOAD_READ_BYTES)
        self._is_connected = False
        self._lock = threading.Lock()

    def run(self, commands: list[Command]) -> list[Any]:
        """Sends all commands at once and returns their replies; a refused command's reply is its error.

        Raises:
            redis.ConnectionError: the connection broke; it is not known which commands were carried out.
            redis.TimeoutError: the same, because no reply came in time.
        """
        with self._lock:
            replies = self._send(commands)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                self._send([("SCRIPT", "LOAD", script.source) for script in SCRIPTS])
                # Only what Redis did not know: the others were carried out.
                again = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
                for index, reply in zip(again, self._send([commands[i] for i in again]), strict=True):
                    replies[index] = reply
        return replies

    def payload(self, job_id: str) -> bytes | None:
        """Fetches the inputs that lie beside a job's message; waits when Redis is away for a moment.

        Raises:
            redis.RedisError: it is away for longer.
        """
        give_up_s = time.monotonic() + PAYLOAD_PATIENCE_S
        while True:
            try:
                raw: Any = self._payloads.get(payload_key(job_id))
                return raw
            except RedisError:
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(PAYLOAD_PAUSE_S)

    def break_off(self) -> None:
        """Leaves the connection that commands are sent over: the host behind it may be gone."""
        with self._lock:
            self._is_connected = False
            self._connection.disconnect()

    def close(self) -> None:
        """Ends the connections."""
        self._is_connected = False
        self._connection.disconnect()
        self._payloads.close()

    def _send(self, commands: list[Command]) -> list[Any]:
        """One write, then the replies; a redis-py pipeline does the same at three times the cost."""
        connection = self._connection
        try:
            if not self._is_connected:
                connection.connect()
                # Loaded before they are used: one that is repeated later would see what came after it.
                self._exchange([("SCRIPT", "LOAD", script.source) for script in SCRIPTS])
                self._is_connected = True
            return self._exchange(commands)
        except BaseException:
            # Replies that were not read must not be taken for those of the next commands.
            self._is_connected = False
            connection.disconnect()
            raise

    def _exchange(self, commands: list[Command]) -> list[Any]:
        connection = self._connection
        # hiredis packs, and its own types allow a tuple of one only.
        packed = [pack_command(command) for command in commands]  # type: ignore[arg-type]
        connection.send_packed_command(packed, check_health=False)
        return [_read(connection) for _ in commands]


def _read(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
