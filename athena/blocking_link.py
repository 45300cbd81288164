"""One connection to Redis for programs that wait for each answer: supervisors and operators' commands."""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError
from redis.retry import Retry

from athena.script import Command, script_of


class BlockingLink:
    """Runs commands one by one and returns replies as Redis gives them; repeats nothing by itself."""

    def __init__(self, redis_url: str, timeout_s: float) -> None:
        client = redis.Redis.from_url(
            redis_url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._connection: Any = client.connection_pool.make_connection()

    def execute(self, command: Command) -> Any:
        """Runs a command; connects first if need be.

        Raises:
            redis.RedisError: Redis cannot be reached, does not answer in time, or refuses the command.
        """
        try:
            return self._exchange(command)
        except NoScriptError:
            script = script_of(command)
            assert script is not None
            self._exchange(("SCRIPT", "LOAD", script.source))
            return self._exchange(command)

    def close(self) -> None:
        """Ends the connection."""
        self._connection.disconnect()

    def _exchange(self, command: Command) -> Any:
        connection = self._connection
        try:
            connection.send_command(*command, check_health=False)
            return connection.read_response(disable_decoding=True)
        except redis.ResponseError:
            raise
        except BaseException:
            # A reply that was not read must not be taken for that of the next command.
            connection.disconnect()
            raise
