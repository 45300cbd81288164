"""Which gateways get requests: what a load balancer does."""

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

#: Longer than any request takes.
DRAIN_S = 60.0


class Rotation:
    """The gateways that get requests, in turn."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._urls: list[str] = []
        self._turn = itertools.count()
        self._open: Counter[str] = Counter()

    @contextmanager
    def gateway(self) -> Iterator[str]:
        """Gives the gateway of one request, and holds it until that is answered."""
        with self._lock:
            url = self._urls[next(self._turn) % len(self._urls)]
            self._open[url] += 1
        try:
            yield url
        finally:
            with self._lock:
                self._open[url] -= 1
                self._lock.notify_all()

    def put_in(self, url: str) -> None:
        """Gives a gateway requests from now on."""
        with self._lock:
            self._urls.append(url)

    def take_out(self, url: str) -> None:
        """Gives a gateway no more requests, and waits for its last answer."""
        with self._lock:
            self._urls.remove(url)
            assert self._lock.wait_for(lambda: not self._open[url], DRAIN_S), f"{url} does not answer"
