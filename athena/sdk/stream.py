"""Threads for wrappers with sessions: a fixed number of handles, each with a model of its own."""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from athena.sdk.results import callback
from athena.sdk.types import THREAD_MODE

logger = logging.getLogger(__name__)

#: How often waiting threads look whether they are to end.
POLL_S = 0.5


class StreamHandleThread(threading.Thread):
    """What a wrapper derives to answer streams: override `init_model` and `run`.

    Attributes:
        session_thread: the `WorkerThread` of this handle, with `sid` and `params` of the session.
        in_q: what wrapperWrite has put in.
        out_q: responses put here are handed to the caller.
        is_stopping: true when `run` is to return.
    """

    def __init__(self, session_thread: "WorkerThread", in_q: Any, out_q: Any) -> None:
        super().__init__(name=f"stream-{session_thread.handle}", daemon=True)
        self.session_thread = session_thread
        self.in_q = in_q
        self.out_q = out_q
        self.is_stopping = False

    def init_model(self, handle: str) -> Any:
        """Loads what this handle needs; called once, before `run`."""

    def run(self) -> None:
        """Answers what comes in; called once, on a thread of its own."""
        raise NotImplementedError("run is not defined")


class WorkerThread(threading.Thread):
    """One handle: its session, its queues, and the thread that hands its responses to the caller."""

    def __init__(self, handle: str, request_class: type[StreamHandleThread]) -> None:
        super().__init__(name=f"handle-{handle}", daemon=True)
        self.handle = handle
        self.sid = ""
        self.params: Any = None
        self.in_q: queue.Queue[Any] = queue.Queue()
        self.out_q: queue.Queue[Any] = queue.Queue()
        self.callback_fn: Callable[[Any, str], Any] = callback
        self.is_idle = True
        self._stopping = threading.Event()
        self._request_thread = request_class(self, self.in_q, self.out_q)

    @property
    def idle(self) -> bool:
        """Whether the handle has no session."""
        return self.is_idle

    def setup_sid(self, sid: str) -> None:
        """Names the session."""
        self.sid = sid

    def setup_params(self, params: Any) -> None:
        """Tells the session's parameters."""
        self.params = params

    def setup_callback_fn(self, callback_fn: Callable[[Any, str], Any]) -> None:
        """Replaces what hands responses to the caller."""
        self.callback_fn = callback_fn

    def reset(self) -> None:
        """Forgets the session and what is left of it."""
        for items in (self.in_q, self.out_q):
            with items.mutex:
                items.queue.clear()
        self.sid, self.params = "", None

    def run(self) -> None:
        """Loads the model, and hands responses on until it is stopped."""
        self._request_thread.init_model(self.handle)
        self._request_thread.start()
        while not self._stopping.is_set():
            try:
                response = self.out_q.get(timeout=POLL_S)
            except queue.Empty:
                continue
            try:
                self.callback_fn(response, self.sid)
            except Exception:
                logger.exception("handle %s: the callback raised", self.handle)

    def stop(self) -> None:
        """Ends both threads, as soon as they look."""
        self._stopping.set()
        self._request_thread.is_stopping = True


class SessionManager:
    """A pool of handles; `wrapperCreate` takes one, `wrapperDestroy` gives it back."""

    def __init__(self) -> None:
        self.config: Any = {}
        self._threads: dict[str, WorkerThread] = {}
        self._lock = threading.Lock()

    def init_wrapper_config(self, config: Any) -> None:
        """Keeps the wrapper's configuration for its threads."""
        self.config = config

    def init_handle_pool(
        self,
        mode: str = THREAD_MODE,
        nums: int = 1,
        ReqThreadCls: type[StreamHandleThread] = StreamHandleThread,
    ) -> None:
        """Starts the handles.

        Args:
            mode: "thread"; the SDK's "process" never worked and is refused.
            nums: how many sessions there may be at once.
            ReqThreadCls: the wrapper's own `StreamHandleThread`.

        Raises:
            ValueError: the mode is another one.
        """
        if mode != THREAD_MODE:
            raise ValueError(f"init_handle_pool: mode {mode!r} is not supported, use {THREAD_MODE!r}")
        for number in range(nums):
            thread = WorkerThread(f"Process-0-Thread-{number}", ReqThreadCls)
            self._threads[thread.handle] = thread
            thread.start()

    def get_idle_handle(self) -> str | None:
        """Takes a handle; None when all have a session."""
        with self._lock:
            for handle, thread in self._threads.items():
                if thread.is_idle:
                    thread.is_idle = False
                    return handle
        return None

    def get_session(self, handle: str) -> WorkerThread | None:
        """Returns a handle's thread, or None."""
        return self._threads.get(handle)

    def set_idle_session(self, handle: str) -> None:
        """Gives a handle back, its session forgotten."""
        thread = self._threads.get(handle)
        if thread is not None:
            # Emptied before it is idle: the next session may take it at once.
            thread.reset()
            with self._lock:
                thread.is_idle = True

    reset_session = set_idle_session
    push_back = set_idle_session

    def close(self) -> None:
        """Ends all threads."""
        for thread in self._threads.values():
            thread.stop()


class ThreadPool(ThreadPoolExecutor):
    """A pool of threads; `submit` and `map` as in `concurrent.futures`."""


Pool = ThreadPool
