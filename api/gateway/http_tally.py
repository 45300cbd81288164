"""How many HTTP requests this process has answered, how, and how long they took; pure."""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import NamedTuple

from athena.store.books.counts import INFINITE
from athena.telemetry.metrics import BYTES, SECONDS

#: Limits of the buckets as the counts name them, in milliseconds.
_LIMITS = (*(str(round(limit * 1000)) for limit in SECONDS), INFINITE)

_SIZE_LIMITS = (*(str(int(limit)) for limit in BYTES), INFINITE)


def bucket_of(seconds: float) -> str:
    """Returns the bucket of a time, as the counts name it."""
    return _LIMITS[bisect_left(SECONDS, seconds)]


class Change(NamedTuple):
    """A number that grows in an ability's counts (`athena.store.books.counts`)."""

    service_id: str
    field: str
    amount: int


class _Page:
    """What was counted of one ability since it was taken last."""

    __slots__ = ("answers", "buckets", "jobs", "seconds", "statuses")

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.buckets = [0] * len(_LIMITS)
        self.seconds = 0.0
        self.answers, self.jobs = _Sizes(), _Sizes()


class _Sizes:
    """How large bodies were."""

    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * len(_SIZE_LIMITS)
        self.total = 0

    def add(self, size: int) -> None:
        self.buckets[bisect_left(BYTES, size)] += 1
        self.total += size

    def changes(self, what: str) -> Iterator[tuple[str, int]]:
        for limit, count in zip(_SIZE_LIMITS, self.buckets, strict=True):
            if count:
                yield f"{what}_le {limit}", count
        if self.total:
            yield f"{what}_sum", self.total


class HttpTally:
    """Counts in memory; what is taken is for others to keep.

    Args:
        now: tells the time in seconds.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._pages: dict[str, _Page] = {}
        self._was_busy = False

    @property
    def is_busy(self) -> bool:
        """Whether something was counted since what was counted was taken, or before that."""
        return self._was_busy or bool(self._pages)

    def count(self, service_id: str, status: int, seconds: float, answer_bytes: int = 0) -> None:
        """Counts a request that was answered; service_id "" for one that is for no ability."""
        # In memory, for each request: a command to Redis here would be the dearest part of a small one.
        page = self._page(service_id)
        page.answers.add(answer_bytes)
        page.statuses[status] = page.statuses.get(status, 0) + 1
        page.buckets[bisect_left(SECONDS, seconds)] += 1
        page.seconds += seconds

    def count_job(self, service_id: str, size_bytes: int) -> None:
        """Counts a job that is sent to Redis."""
        self._page(service_id).jobs.add(size_bytes)

    def _page(self, service_id: str) -> _Page:
        page = self._pages.get(service_id)
        if page is None:
            page = self._pages[service_id] = _Page()
        return page

    def take(self) -> list[Change]:
        """Returns what was counted since this was called last."""
        pages, self._pages = self._pages, {}
        self._was_busy = bool(pages)
        return [change for service_id, page in pages.items() for change in _changes(service_id, page)]


def _changes(service_id: str, page: _Page) -> Iterator[Change]:
    for status, count in page.statuses.items():
        yield Change(service_id, f"http {status}", count)
    for limit, count in zip(_LIMITS, page.buckets, strict=True):
        if count:
            yield Change(service_id, f"http_le {limit}", count)
    if page.statuses:
        yield Change(service_id, "http_sum", round(page.seconds * 10_000))
    for what, sizes in (("answer_bytes", page.answers), ("job_bytes", page.jobs)):
        for name, amount in sizes.changes(what):
            yield Change(service_id, name, amount)
