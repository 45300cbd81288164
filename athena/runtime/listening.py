"""The listening socket that a supervisor holds for its gateway."""

import ipaddress
import socket

#: Variable that tells a gateway the file descriptor of its listening socket.
LISTEN_FD = "ATHENA_LISTEN_FD"

#: So many callers may wait in the kernel while one gateway follows another.
BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Returns a listening socket.

    Raises:
        OSError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Else connections of the last server that linger (TIME_WAIT) keep the port from the next one.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def connect_host(host: str) -> str:
    """Returns the address at which a server that listens on `host` is reached from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
