"""Tells systemd how a service stands: one datagram to the socket that it names (sd_notify(3))."""

import contextlib
import os
import socket
from collections.abc import Mapping

#: Names the socket; nobody else listens there.
VARIABLE = "NOTIFY_SOCKET"

READY, STOPPING = "READY=1", "STOPPING=1"


def tell_service_manager(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Says a state, if this process was started by a service manager that wants to know."""
    path = environ.get(VARIABLE, "")
    if not path:
        return
    # A name that begins with @ is an abstract one. Serving goes on whoever listens.
    address = f"\0{path[1:]}" if path.startswith("@") else path
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(state.encode(), address)
