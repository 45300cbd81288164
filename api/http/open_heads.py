"""Heads that have begun and are not whole: how much all of them may hold."""

from typing import Protocol

from athena.errors import AthenaError, GatewayError

#: A head comes in one piece, or in two; so much are thousands that have just begun.
MAX_BYTES = 16 * 1024 * 1024

#: What a field takes beside its bytes, once it is read.
FIELD_BYTES = 140


class Sender(Protocol):
    """A connection whose head is not whole."""

    def refuse(self, error: AthenaError) -> None:
        """Answers what is being received with an error, and closes."""


class OpenHeads:
    """Has the head go that began first where all of them hold too much.

    Strangers can send them without a key, and keep each for `patience.HEAD_S`. Those of honest callers are
    whole a moment after they began, so it is rarely one of theirs that has been open longest.
    """

    def __init__(self, limit_bytes: int = MAX_BYTES) -> None:
        self._limit_bytes = limit_bytes
        # In the order in which they began.
        self._sizes: dict[Sender, int] = {}
        self.held_bytes = 0

    def note(self, sender: Sender, came_bytes: int, fields: int = 0) -> None:
        """Takes down how much has come of a head, in how many fields; 0 when it is whole or gone."""
        size_bytes = came_bytes and came_bytes + FIELD_BYTES * fields
        self.held_bytes += size_bytes - self._sizes.get(sender, 0)
        if size_bytes:
            self._sizes[sender] = size_bytes
        else:
            self._sizes.pop(sender, None)
        while self.held_bytes > self._limit_bytes:
            oldest = next(iter(self._sizes))
            self.held_bytes -= self._sizes.pop(oldest)
            oldest.refuse(
                GatewayError(
                    "too much has come of heads that are not whole; send the request again, its head at once",
                    retry_after_s=1,
                )
            )
