"""One connection to Redis for programs that wait for each answer: supervisors and operators' commands."""

from typing import Any

from redis.exceptions import NoScriptError, ResponseError

from athena.store.address import RedisAddress
from athena.store.connections import pool_of
from athena.store.scripts import Command, script_of


class BlockingLink:
    """Runs commands one by one and returns replies as Redis gives them; repeats nothing by itself."""

    def __init__(self, target: RedisAddress | str, timeout_s: float) -> None:
        self._pool = pool_of(target, timeout_s)
        self._connection: Any = self._pool.make_connection()
        self._is_connected = False

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
            # Nothing was carried out, so this repeats nothing.
            self._exchange(("SCRIPT", "LOAD", script.source))
            return self._exchange(command)

    def close(self) -> None:
        """Ends the connection."""
        self._is_connected = False
        self._connection.disconnect()

    def _exchange(self, command: Command) -> Any:
        connection = self._connection
        try:
            if not self._is_connected:
                # Asks the sentinels, if there are any, for the master of this moment.
                connection.connect()
                self._is_connected = True
            connection.send_command(*command, check_health=False)
            return connection.read_response(disable_decoding=True)
        # An error is a reply that was read to its end: the connection is sound.
        except ResponseError:
            raise
        except BaseException:
            # A reply that was not read must not be taken for that of the next command.
            self._is_connected = False
            connection.disconnect()
            raise
