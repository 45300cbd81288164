"""Tells systemd how a service stands: datagrams to the socket that it names (sd_notify(3))."""

import contextlib
import os
import socket
from collections.abc import MutableMapping

#: Names the socket; nobody else listens there.
VARIABLE = "NOTIFY_SOCKET"

READY, STOPPING = "READY=1", "STOPPING=1"

#: Time that is asked for, and how often: what starts and ends here has limits of its own, which settings
#: change and a unit cannot know. Who hangs asks for no more.
MORE_S, ASK_EVERY_S = 60.0, 5.0


class ServiceManager:
    """Who has started this process, if that is a service manager which wants to know how it stands.

    While a service starts and while it stops, it is given more time on each tick that is due.

    Args:
        environ: names its socket, and does so no more: it listens to this process alone, not to its children.
    """

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self._path = environ.pop(VARIABLE, "")
        #: For a start or a stop to end.
        self._is_waiting = True
        self._asked_s = float("-inf")

    def on_tick(self, now_s: float) -> None:
        """Asks for more time, if it is time."""
        if not self._is_waiting or now_s - self._asked_s < ASK_EVERY_S:
            return
        self._asked_s = now_s
        self._tell(_more_time(MORE_S))

    def ready(self) -> None:
        """Tells that requests are served."""
        self._is_waiting = False
        self._tell(READY)

    def stopping(self, within_s: float = MORE_S) -> None:
        """Tells that it ends, and how long that may take; who ticks asks for more."""
        self._is_waiting = True
        self._tell(f"{STOPPING}\n{_more_time(within_s)}")

    def _tell(self, state: str) -> None:
        if not self._path:
            return
        # A name that begins with @ is an abstract one. Serving goes on whoever listens.
        address = f"\0{self._path[1:]}" if self._path.startswith("@") else self._path
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), address)


def _more_time(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={seconds * 1e6:.0f}"
