"""Host names that a name server did not answer for: who waited for that is not to wait again at once.

A lookup cannot be hurried once it has begun: the C library asks each name server several times. While it
does, a supervisor follows no signal, and one lookup after the other would take all the time of an end.
"""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: A failure counts for as long as it took to learn of it, but no longer than this.
MAX_PAUSE_S = 10.0


class Lookups:
    """The failures of this process; threads may share it."""

    def __init__(self) -> None:
        #: host -> until when it is not looked up again, and what its last lookup said.
        self._failed: dict[str, tuple[float, socket.gaierror]] = {}

    @contextmanager
    def of(self, host: str) -> Iterator[None]:
        """Looks a host up within, unless that has failed a moment ago.

        Raises:
            socket.gaierror: it has, or does now.
        """
        began_s = time.monotonic()
        until_s, error = self._failed.get(host, (began_s, None))
        if error is not None and began_s < until_s:
            raise socket.gaierror(*error.args)
        try:
            yield
        except socket.gaierror as failure:
            now_s = time.monotonic()
            self._failed[host] = (now_s + min(now_s - began_s, MAX_PAUSE_S), failure)
            raise
