"""How a wrapper hands in results that do not come as a return value."""

import logging
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

logger = logging.getLogger(__name__)

#: Takes the response, the name that it is meant for, and the session's id where that was given as well.
Sink = Callable[[Any, str, str | None], int]

#: Results of a wrapper that runs outside a worker, for `WrapperBase.run`: (name, response).
local_results: "SimpleQueue[tuple[str, Any]]" = SimpleQueue()

_sink: Sink | None = None


def set_sink(sink: Sink | None) -> None:
    """Sends results to `sink` from now on, or to `local_results` again; workers do this before they load."""
    global _sink
    _sink = sink


def callback(response: Any, tag: str, sid: str | None = None) -> int:
    """Hands a result in; may be called from any thread, several times for a stream.

    Args:
        response: the `Response`; its outputs' `status` says whether it is the last.
        tag: whose result it is: the job's id, the session's id, or its handle.
        sid: the session's id, where `tag` is the handle.

    Returns:
        0, or another number when nobody waits for it.
    """
    if _sink is not None:
        return _sink(response, tag, sid)
    local_results.put((tag, response))
    return 0


def init_rq() -> None:
    """Empties the queue of local results."""
    while not local_results.empty():
        local_results.get()


def set_up(queue: Any) -> None:
    """Sends results to a queue of the caller's, as (name, response)."""

    def put(response: Any, tag: str, sid: str | None) -> int:
        queue.put((sid or tag, response))
        return 0

    set_sink(put)


def callback_metric(usrTag: str, key: str, count: int) -> int:
    """Notes a number about a job in the log."""
    logger.info("job %s: metric %s = %s", usrTag, key, count)
    return 0


def callback_trace(usrTag: str, key: str, value: str) -> int:
    """Notes a text about a job in the log."""
    logger.info("job %s: %s = %s", usrTag, key, value)
    return 0
