"""Inputs that lie beside the messages of jobs."""

import time
from typing import Any

from redis.exceptions import RedisError

from athena.store.address import RedisAddress
from athena.store.connections import client_of
from athena.store.keys import payload_key

#: How long an inference thread waits for Redis to come back before a job fails for want of its inputs.
PATIENCE_S = 20.0

PAUSE_S = 0.25

#: Inputs are large; redis-py reads 64 KiB at a time otherwise.
READ_BYTES = 1_048_576


class Payloads:
    """Fetches inputs, for inference threads: each has a connection of its own."""

    def __init__(self, target: RedisAddress | str, timeout_s: float) -> None:
        self._client = client_of(target, timeout_s, socket_read_size=READ_BYTES)

    def read(self, job_id: str) -> bytes | None:
        """Returns the inputs of a job, None if they are gone; waits when Redis is away for a moment.

        Raises:
            redis.RedisError: it is away for longer.
        """
        give_up_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                raw: Any = self._client.get(payload_key(job_id))
                return raw
            except RedisError:
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(PAUSE_S)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()
