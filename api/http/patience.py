"""How long a connection may take, and how many there may be."""

import asyncio
import heapq
import logging
import socket
from collections.abc import Collection
from typing import Protocol

logger = logging.getLogger(__name__)

#: From the first byte of a head to its last.
HEAD_S = 20.0

#: A body may take so long, and a second more for each `BODY_BYTES_PER_S` that have come.
BODY_S = 20.0
BODY_BYTES_PER_S = 2_000

#: So long a connection may take nothing of what is written to it.
WRITE_S = 60.0

#: After an answer that closes the connection, how long and how much is still read and thrown away: bytes that
#: nobody reads would make the kernel reset the connection, and the answer with it (RFC 9112, 9.6).
LINGER_S = 5.0
LINGER_BYTES = 256 * 1024 * 1024

#: A caller who has ended his side of the connection is asked after this time whether he is still there.
HALF_CLOSED_S = 1.0

#: What Linux calls a connection that the other side has reset (its tcp_states.h).
TCP_CLOSE = 7

#: Connections that are closed at a time to make room for new ones: a part of all.
EVICTED = 1 / 64


def is_body_late(age_s: float, received_bytes: int) -> bool:
    """Whether a body has taken too long for what has come of it."""
    return age_s > BODY_S + received_bytes / BODY_BYTES_PER_S


def is_reset(transport: asyncio.Transport) -> bool:
    """Whether the kernel has heard that nobody is at the other end."""
    channel = transport.get_extra_info("socket")
    state: bytes = channel.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
    return state[0] == TCP_CLOSE


class Guest(Protocol):
    """A connection, as far as it may be closed to make room.

    Attributes:
        since_s: when what it does now has begun.
        has_been_served: whether a request of it was ever answered.
    """

    since_s: float
    has_been_served: bool

    @property
    def is_silent(self) -> bool:
        """Whether no request of it is being received or answered, but for a head."""

    def close_silent(self) -> None:
        """Closes it."""


class Doors:
    """Lets in as many connections as there may be; those that have been silent longest go for new ones.

    So strangers who open connections and say nothing can take neither the descriptors that the gateway needs
    for itself, nor the places of callers who do send requests.
    """

    def __init__(self, max_connections: int) -> None:
        self._max = max_connections
        self._is_crowded = False

    def admit(self, guests: Collection[Guest]) -> bool:
        """Whether one more may come in beside these."""
        if len(guests) < self._max:
            # Not over with the first free place, or each caller at the limit would get a line.
            self._is_crowded = self._is_crowded and len(guests) > 0.9 * self._max
            return True
        self._complain()
        silent = [guest for guest in guests if guest.is_silent]
        leaving = heapq.nsmallest(
            max(1, int(self._max * EVICTED)), silent, key=lambda guest: (guest.has_been_served, guest.since_s)
        )
        for guest in leaving:
            guest.close_silent()
        return bool(leaving)

    def _complain(self) -> None:
        """One line for each time that it gets crowded."""
        if not self._is_crowded:
            logger.warning(
                "%d connections, as many as this gateway takes (ATHENA_MAX_CONNECTIONS, the limit of open "
                "files); for new ones those are closed that have been silent longest",
                self._max,
            )
        self._is_crowded = True
