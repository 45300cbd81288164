"""Loggers."""

from athena.sdk.log import getFileLogger, getLogger, log, logpath

__all__ = [
    "getFileLogger",
    "getLogger",
    "log",
    "logpath",
]
