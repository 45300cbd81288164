"""What this worker counts itself, and what its wrapper does: told now and then."""

from collections.abc import Callable, Iterable, Iterator

from athena.fleet.worker_entry import WorkerEntry
from athena.sdk.metrics import COUNTER, GAUGE
from athena.sdk.metrics import Change as Counted
from athena.store.books import own_metrics
from athena.store.books.own_metrics import ADD, Change, count_command
from workers.lease.steps import Tell
from workers.lease.traces import bucket_of

#: Between two tellings at least.
TELL_S = 1.0


class Tally:
    """How long jobs waited here for their calls, and the wrapper's own metrics.

    What a telling that Redis does not answer has told is lost, or was counted: a job's end is no part of it.

    Args:
        entry: the worker.
        take_changes: returns what the wrapper has counted since it was called last.
    """

    def __init__(self, entry: WorkerEntry, take_changes: Callable[[], Iterable[Counted]]) -> None:
        self._entry = entry
        self._take_changes = take_changes
        self._waits: dict[str, int] = {}
        self._waited_s = 0.0
        self._told_s = float("-inf")
        self._described: set[str] = set()

    def note_wait(self, seconds: float) -> None:
        """A job's call has begun so long after the job was taken."""
        bucket = bucket_of(seconds)
        self._waits[bucket] = self._waits.get(bucket, 0) + 1
        self._waited_s += seconds

    def due(self, now_s: float, is_last: bool = False) -> Tell | None:
        """Returns what is to be told now; None for nothing."""
        if now_s - self._told_s < TELL_S and not is_last:
            return None
        self._told_s = now_s
        changes = [*self._own(), *self._waits_of()]
        return (
            Tell(count_command(self._entry.service_id, changes), "tell what was counted") if changes else None
        )

    def _waits_of(self) -> Iterator[Change]:
        gpu_type = self._entry.gpu_type
        waits, self._waits = self._waits, {}
        waited_s, self._waited_s = self._waited_s, 0.0
        for bucket, count in waits.items():
            yield Change(ADD, f"held {bucket} {gpu_type}", str(count))
        if waits:
            yield Change(ADD, f"held_sum {gpu_type}", str(round(waited_s * 10_000)))

    def _own(self) -> Iterator[Change]:
        for metric, labels, value, buckets in self._take_changes():
            if metric.name not in self._described:
                self._described.add(metric.name)
                yield own_metrics.described(metric.name, metric._asdict())
            if metric.kind == COUNTER:
                yield own_metrics.counted(metric.name, labels, value)
            elif metric.kind == GAUGE:
                yield own_metrics.gauged(metric.name, labels, self._entry.name, value)
            else:
                yield from own_metrics.spread(metric.name, labels, metric.buckets, buckets, value)
