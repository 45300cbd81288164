"""Results that a wrapper hands in by `callback`, from any thread, and the jobs that wait for them."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from athena.errors import ExecTimeoutError
from athena.sdk.data import Response, ResponseData
from athena.sdk.types import DataBegin, DataContinue

logger = logging.getLogger(__name__)


class Expected:
    """The results of one job, in the order in which they were handed in."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._queue: SimpleQueue[Response] = SimpleQueue()

    def put(self, response: Response) -> None:
        """Hands one in."""
        self._queue.put(response)

    def next(self) -> Response:
        """Returns the next one.

        Raises:
            ExecTimeoutError: it did not come in time.
        """
        try:
            return self._queue.get(timeout=self._limit_s)
        except Empty:
            text = f"no callback within {self._limit_s:g} s (limits.max_exec_s)"
            raise ExecTimeoutError(text) from None

    def wait(self) -> Response:
        """Returns the job's answer; parts of it are put together, by output.

        Raises:
            ExecTimeoutError: it did not come in time.
        """
        parts: list[Response] = []
        while True:
            part = self.next()
            parts.append(part)
            if part.error_code:
                return part
            if not _goes_on(part):
                return parts[0] if len(parts) == 1 else _join(parts)


class AsyncResults:
    """Finds the job that a callback is meant for.

    Args:
        limit_s: how long a job waits for its next result.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._expected: dict[str, Expected] = {}
        self._lock = threading.Lock()

    @contextmanager
    def expect(self, *names: str) -> Iterator[Expected]:
        """Receives what is handed in under one of the names: a job's id, or a session's handle."""
        expected = Expected(self._limit_s)
        with self._lock:
            self._expected.update(dict.fromkeys(names, expected))
        try:
            yield expected
        finally:
            with self._lock:
                for name in names:
                    self._expected.pop(name, None)

    def deliver(self, response: Any, tag: str, sid: str | None = None) -> int:
        """Hands a result in; what `callback` does in a worker. Returns 0, or 1 when nobody waits for it."""
        with self._lock:
            expected = self._expected.get(str(tag)) or self._expected.get(str(sid))
        if expected is None:
            logger.warning("callback for %s, for which nobody waits; dropped", tag)
            return 1
        if not isinstance(response, Response):
            logger.error("callback for %s got a %s instead of a Response", tag, type(response).__name__)
            response = Response().response_err(1)
        expected.put(response)
        return 0


def _goes_on(response: Response) -> bool:
    return any(item.status in (DataBegin, DataContinue) for item in response.list or ())


def _join(parts: list[Response]) -> Response:
    outputs: dict[str, ResponseData] = {}
    for part in parts:
        for item in part.list or ():
            known = outputs.setdefault(item.key, item)
            if known is not item:
                known.data = known.data + item.data
    whole = Response()
    whole.list = list(outputs.values())
    return whole
