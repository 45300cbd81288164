"""Ports for the servers that tests start."""

import os
import socket

#: Where servers may listen. Linux gives higher ports to connections: one of those could be taken in the time
#: between its choice and the start of its server.
FIRST, LAST = 20000, 29999

#: Abstract sockets that say which ports this process has given out; they go with it, however it ends.
_claims: list[socket.socket] = []


def free_port() -> int:
    """Returns a port of 127.0.0.1 that nobody listens on, and that no other test run here is given.

    It stays this process' own until that ends: tests that run side by side start their servers at any time.

    Raises:
        OSError: none is left.
    """
    count = LAST - FIRST + 1
    begin = os.getpid() * 97 + len(_claims)
    for step in range(count):
        port = FIRST + (begin + step) % count
        claim = _claim(port)
        if claim is not None and is_free(port):
            _claims.append(claim)
            return port
        if claim is not None:
            claim.close()
    raise OSError(f"no port from {FIRST} to {LAST} is free")


def _claim(port: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX)
    try:
        # An abstract address: no file that a killed process could leave behind.
        claim.bind(f"\0athena-test-port-{port}")
    except OSError:
        claim.close()
        return None
    return claim


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
