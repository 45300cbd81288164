"""Sessions."""

from athena.sdk.stream import Pool, SessionManager, StreamHandleThread, ThreadPool, WorkerThread

__all__ = [
    "Pool",
    "SessionManager",
    "StreamHandleThread",
    "ThreadPool",
    "WorkerThread",
]
