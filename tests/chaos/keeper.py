"""Restarts supervisors that have ended by themselves, as a service manager does with `Restart=always`."""

import threading
import time
from collections.abc import Callable, Sequence

from tests.chaos.stage import Host

#: systemd's own `RestartSec` is 0.1 s; most units that start with a network give a second.
RESTART_S = 1.0

_POLL_S = 0.1

OnEnd = Callable[[str, str], None]


class Keeper:
    """Looks after the hosts of a stage on a thread of its own.

    Args:
        hosts: whose supervisors are kept; one that a fault has killed is left to that fault.
        on_end: is told each end that nobody wanted: the host's name, and how.
    """

    def __init__(self, hosts: Sequence[Host], on_end: OnEnd) -> None:
        self._hosts = hosts
        self._on_end = on_end
        self._stopped = threading.Event()
        self._due_s: dict[str, float] = {}
        self._thread = threading.Thread(target=self._keep_all)

    def start(self) -> None:
        """Begins to look."""
        self._thread.start()

    def stop(self) -> None:
        """Leaves all as it is."""
        self._stopped.set()
        self._thread.join()

    def _keep_all(self) -> None:
        while not self._stopped.wait(_POLL_S):
            for host in self._hosts:
                self._keep(host)

    def _keep(self, host: Host) -> None:
        end = host.end
        if not end:
            self._due_s.pop(host.name, None)
        elif host.name not in self._due_s:
            self._due_s[host.name] = time.monotonic() + RESTART_S
            self._on_end(host.name, end)
        elif time.monotonic() >= self._due_s[host.name]:
            del self._due_s[host.name]
            host.revive()
