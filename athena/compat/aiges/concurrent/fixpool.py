"""A pool of workers."""

from athena.sdk.pool import FixedPool

__all__ = [
    "FixedPool",
]
