"""Workers of a wrapper with sessions."""

from athena.sdk.pool import InferClass, Worker

__all__ = [
    "InferClass",
    "Worker",
]
