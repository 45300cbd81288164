"""Workers for wrappers that answer a stream piece by piece, in a pool of fixed size."""

import itertools
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)


class InferClass:
    """What a wrapper derives to infer: override `predict`."""

    def predict(self, req: Any = None) -> tuple[Any, bool]:
        """Returns the output for one piece of a request, and whether it was the last."""
        raise NotImplementedError("predict is not defined")


class Worker(threading.Thread):
    """Takes pieces of a request from `in_q`, infers, and hands the outputs on until the last one."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.in_q: queue.Queue[Any] = queue.Queue()
        self.handle = ""
        self._predict: Callable[..., tuple[Any, bool]] | None = None
        self._callback: Callable[[Any, str], Any] | None = None

    def register_infer_class(self, infer: Any) -> None:
        """Infers with the `predict` of an `InferClass`, or of an instance of it."""
        self._predict = (infer() if isinstance(infer, type) else infer).predict

    def register_infer_func(self, predict: Callable[..., tuple[Any, bool]]) -> None:
        """Infers with a function `predict(req=…)`."""
        self._predict = predict

    def register_callback(self, callback: Callable[[Any, str], Any]) -> None:
        """Hands outputs to a function of (output, handle)."""
        self._callback = callback

    def setHandle(self, handle: str) -> None:
        """Names the session."""
        self.handle = handle

    def predict(self, req: Any = None) -> tuple[Any, bool]:
        """Infers one piece."""
        if self._predict is None:
            raise RuntimeError("no inference is registered: call register_infer_class or register_infer_func")
        return self._predict(req=req)

    def run(self) -> None:
        """Works until `predict` says that a piece was the last, or raises."""
        is_done = False
        while not is_done:
            try:
                output, is_done = self.predict(req=self.in_q.get())
                if self._callback is not None:
                    self._callback(output, self.handle)
            except Exception:
                logger.exception("worker %s failed", self.handle or self.name)
                return


class FixedPool:
    """Named workers, up to a fixed number; a name is never used twice."""

    def __init__(self, capacity: int = 1) -> None:
        self._capacity = capacity
        self._workers: dict[str, Any] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    def set_capacity(self, capacity: int) -> None:
        """Says how many workers there may be."""
        self._capacity = capacity

    def add(self, worker: Any) -> tuple[bool, str]:
        """Adds a worker; returns whether there was room, and its name."""
        with self._lock:
            if len(self._workers) >= self._capacity:
                return False, ""
            name = f"worker-{next(self._numbers)}"
            self._workers[name] = worker
            return True, name

    def get(self, name: str) -> Any:
        """Returns a worker, or None."""
        return self._workers.get(name)

    def remove(self, name: str) -> bool:
        """Forgets a worker; returns whether it was there."""
        with self._lock:
            return self._workers.pop(name, None) is not None

    def clear_all(self) -> None:
        """Forgets all workers."""
        with self._lock:
            self._workers.clear()
