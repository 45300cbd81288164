"""How long a connection may take, and how many there may be."""

import asyncio
import heapq
import logging
import socket
from collections.abc import Collection
from enum import Enum, auto
from typing import Protocol

from api.http.address_limit import AddressLimit

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

#: Between two lines in the log about addresses with too many connections.
COMPLAINT_S = 60.0

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


def peer_of(transport: asyncio.BaseTransport) -> str:
    """Returns the address at the other end; "" for a socket of this machine."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


class Guest(Protocol):
    """A connection, as far as it may be closed to make room.

    Attributes:
        since_s: when what it does now has begun.
        has_been_served: whether a request of it was ever answered.
        origin: under which name its address is counted.
    """

    since_s: float
    has_been_served: bool
    origin: str

    @property
    def is_silent(self) -> bool:
        """Whether no request of it is being received or answered, but for a head."""

    def close_silent(self) -> None:
        """Closes it."""


class Admission(Enum):
    """Whether a connection comes in."""

    ADMITTED = auto()
    #: All have as many as there may be, and none is silent.
    FULL = auto()
    #: Its address has as many as it may have.
    CROWD = auto()


class Doors:
    """Lets in as many connections as there may be; those that have been silent longest go for new ones.

    So strangers who open connections and say nothing can take neither the descriptors that the gateway needs
    for itself, nor the places of callers who do send requests. Who sends requests over each of them gets no
    further than the limit of one address.
    """

    def __init__(self, max_connections: int, limit: AddressLimit | None = None) -> None:
        self._max = max_connections
        self._limit = limit or AddressLimit(max_connections)
        self._is_crowded = False
        self._complained_s = float("-inf")

    def admit(self, guest: Guest, peer: str, guests: Collection[Guest]) -> Admission:
        """Tells whether a new connection may come in beside the others; who does is to `leave`."""
        guest.origin = self._limit.key_of(peer)
        if not self._limit.enter(guest.origin):
            self._complain_of(guest)
            guest.origin = ""
            return Admission.CROWD
        if self._has_room(guests):
            return Admission.ADMITTED
        self._limit.leave(guest.origin)
        guest.origin = ""
        return Admission.FULL

    def leave(self, guest: Guest) -> None:
        """A connection is gone; only the first time counts."""
        self._limit.leave(guest.origin)
        guest.origin = ""

    def _has_room(self, guests: Collection[Guest]) -> bool:
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

    def _complain_of(self, guest: Guest) -> None:
        """One line a minute, or the log would be what is attacked."""
        if guest.since_s - self._complained_s >= COMPLAINT_S:
            self._complained_s = guest.since_s
            logger.warning(
                "%s has %d connections, as many as one address may have "
                "(ATHENA_MAX_CONNECTIONS_PER_ADDRESS, ATHENA_TRUSTED_PROXIES); more are refused",
                guest.origin,
                self._limit.limit,
            )

    def _complain(self) -> None:
        """One line for each time that it gets crowded."""
        if not self._is_crowded:
            logger.warning(
                "%d connections, as many as this gateway takes (ATHENA_MAX_CONNECTIONS, the limit of open "
                "files); for new ones those are closed that have been silent longest",
                self._max,
            )
        self._is_crowded = True
