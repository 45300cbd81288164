"""A worker's own connection to Redis: several commands in one send, no silent repetition."""

import threading
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ResponseError
from redis.retry import Retry

from athena.keys import payload_key
from athena.script import SCRIPTS, Command


def connect(redis_url: str, timeout_s: float) -> redis.Redis:
    """Returns a client that raises on the first error instead of sending a command twice."""
    return redis.Redis.from_url(
        redis_url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        protocol=2,
    )


class StoreLink:
    """Runs commands in bulk, and fetches inputs; a connection for each, as they come from two threads."""

    def __init__(self, redis_url: str, timeout_s: float) -> None:
        self._connection: Any = connect(redis_url, timeout_s).connection_pool.make_connection()
        self._payloads = connect(redis_url, timeout_s)
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
                again = [index for index, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
                for index, reply in zip(again, self._send([commands[i] for i in again]), strict=True):
                    replies[index] = reply
        return replies

    def payload(self, job_id: str) -> bytes | None:
        """Fetches the inputs that lie beside a job's message."""
        raw: Any = self._payloads.get(payload_key(job_id))
        return raw

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
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        return [_read(connection) for _ in commands]


def _read(connection: Any) -> Any:
    try:
        return connection.read_response(disable_decoding=True)
    except ResponseError as error:
        return error
