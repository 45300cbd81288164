"""Results that do not come as a return value."""

from athena.sdk.results import callback, set_up

__all__ = [
    "callback",
    "set_up",
]
