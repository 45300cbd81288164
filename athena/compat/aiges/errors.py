"""Codes of the stages of a wrapper."""

from athena.sdk.errors import INIT_ERROR, OK, USER_EXEC_ERROR, USER_INIT_ERROR

__all__ = [
    "INIT_ERROR",
    "OK",
    "USER_EXEC_ERROR",
    "USER_INIT_ERROR",
]
