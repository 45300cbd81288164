"""What is counted of jobs and workers, as the scripts have written it.

A hash for each ability (`athena.store.keys.counts_key`) holds a number for each of these fields. A GPU type
comes last, "" where none is known; LE is a limit in milliseconds, and the number is of times above the next
smaller one:

| field | what |
|---|---|
| `in LANE` | jobs that came by other ways than a queue that is there: see `Survey.submitted` |
| `canaries LANE` | jobs that are in no metric |
| `end STATE TYPE` | jobs that ended |
| `refused REASON` | jobs that were not accepted |
| `try RESULT TYPE` | runs that did not end their job |
| `moved LANE` | jobs that went to another queue, because their type lost its last worker |
| `exit CAUSE TYPE` | worker processes that ended |
| `loaded_ms TYPE` | how long it took to load the model last |
| `run LE TYPE`, `wait LE TYPE`, `total LE TYPE` | jobs whose time was at most LE |
| `held LE TYPE`, `held_sum TYPE` | the same of the time from a job's take to the begin of its call |
| `own…` | what wrappers count themselves (`athena/store/books/own_metrics.py`) |
| `run_sum TYPE`, `wait_sum TYPE`, `total_sum TYPE` | their times together, in tenths of milliseconds |
| `batch SIZE TYPE` | jobs that shared their call with so many, themselves included |
| `http STATUS` | HTTP requests that were answered so |
| `http_le LE`, `http_sum` | their times, as above |
| `answer_bytes_le LE`, `answer_bytes_sum` | the sizes of their answers, in bytes |
| `job_bytes_le LE`, `job_bytes_sum` | the same of messages and inputs of jobs |

HTTP requests that are for no ability are counted under the service_id "".
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from athena.jobs.queues import QueueName
from athena.store.scripts import FOLD, SURVEY, Command

#: The limit of the last bucket.
INFINITE = "inf"


def fold_command(service_ids: Iterable[str]) -> Command:
    """Takes into the counts what has ended since; the answer holds for each ability what ran to an end."""
    return FOLD.call((), service_ids)


@dataclass(frozen=True)
class Queue:
    """A queue that holds jobs, or did.

    Attributes:
        oldest_s: how long ago the job was accepted that is next; 0 if there is none.
        given_in: how many jobs it was ever given.
    """

    name: str
    jobs: int
    oldest_s: float
    is_paused: bool
    given_in: int


@dataclass
class Spread:
    """How values are spread: how many are at most as large as each limit, and larger than the one before.

    Attributes:
        buckets: limit, in milliseconds, or a size -> how many.
        total: of all values, in milliseconds, or a size.
    """

    buckets: dict[float, int] = field(default_factory=dict)
    total: float = 0.0

    @property
    def count(self) -> int:
        """How many values there are."""
        return sum(self.buckets.values())


#: Words of a field -> how many. The words are what tells the fields of one kind apart.
Numbers = dict[tuple[str, ...], int]


@dataclass
class Counts:
    """The counts of one ability.

    Attributes:
        numbers: kind, the first word of the fields -> their other words -> how many.
        spreads: `run`, `wait`, `total`, `batch`, `http`, `answer_bytes`, `job_bytes` -> GPU type -> times or
            sizes; "" for the last three.
        own: the fields that are about what wrappers count themselves.
    """

    numbers: dict[str, Numbers] = field(default_factory=dict)
    spreads: dict[str, dict[str, Spread]] = field(default_factory=dict)
    own: dict[bytes, bytes] = field(default_factory=dict)

    def of(self, kind: str) -> Numbers:
        """Returns the numbers of a kind."""
        return self.numbers.get(kind, {})

    def spread(self, what: str) -> dict[str, Spread]:
        """Returns how a time or a size is spread, by GPU type."""
        return self.spreads.get(what, {})


#: Kinds of fields whose words are fewer or more than two, each with how many there are behind the first.
_WORDS = {"in": 1, "canaries": 1, "moved": 1, "refused": 1, "loaded_ms": 1, "http": 1}

_TIMES = ("run", "wait", "total", "held")
_SIZES = ("answer_bytes", "job_bytes")


class _Field(NamedTuple):
    """A field's name, taken apart.

    Attributes:
        kind: of a number, or what is measured.
        words: those behind it; the GPU type of what is measured.
        limit: of a bucket; None for a sum.
    """

    kind: str
    words: tuple[str, ...]
    limit: float | None = None


_NUMBER, _BATCH, _TIME, _SIZE = "number", "batch", "time", "size"


@lru_cache(maxsize=4096)
def _field(raw: bytes) -> tuple[str, _Field] | None:
    """Reads a field's name; None for one that is not understood. Abilities have the same ones."""
    kind, *rest = raw.decode(errors="replace").split(" ")
    name = kind.removesuffix("_sum").removesuffix("_le")
    try:
        if kind == "batch":
            size, gpu_type = rest
            return _BATCH, _Field(kind, (gpu_type,), float(max(1, int(size))))
        if name in _TIMES or (name == "http" and kind != "http"):
            words = (rest.pop() if name in _TIMES else "",)
            return _TIME, _Field(name, words, None if kind.endswith("_sum") else float(rest[0]))
        if name in _SIZES and kind != name:
            return _SIZE, _Field(name, ("",), None if kind.endswith("_sum") else float(rest[0]))
    except (ValueError, IndexError):
        return None
    return (_NUMBER, _Field(kind, tuple(rest))) if len(rest) == _WORDS.get(kind, 2) else None


@lru_cache(maxsize=1024)
def read_counts(lines: bytes) -> Counts:
    """Reads an ability's counts, to be looked at only: most abilities have the same ones as a moment ago.

    What is not understood, such as a later version's, is left out.
    """
    counts = Counts()
    items = iter(lines.split(b"\n"))
    for raw, value in zip(items, items, strict=False):
        if raw.startswith(b"own"):
            counts.own[raw] = value
            continue
        found = _field(raw)
        if found is None or not value.lstrip(b"-").isdigit():
            continue
        what, field = found
        if what == _NUMBER:
            counts.numbers.setdefault(field.kind, {})[field.words] = int(value)
        else:
            _measure(counts, field, int(value), 1 if what == _SIZE else 10)
    return counts


def _measure(counts: Counts, field: _Field, value: int, parts: int) -> None:
    spreads = counts.spreads.setdefault(field.kind, {})
    spread = spreads.get(field.words[0])
    if spread is None:
        spread = spreads[field.words[0]] = Spread()
    if field.limit is None:
        spread.total = value / parts
    elif field.kind == _BATCH:
        # All jobs of a call tell of it; where some of them ended elsewhere, a part of a call counts as one.
        spread.buckets[field.limit] = -(-value // int(field.limit))
        spread.total += value
    else:
        spread.buckets[field.limit] = value


def ended_counts(service_ids: Iterable[str], reply: Any) -> Mapping[str, int]:
    """Reads the answer of `fold_command`: how many jobs of each ability ran to an end."""
    return {service_id: int(ended) for service_id, ended in zip(service_ids, reply, strict=True)}


@dataclass(frozen=True)
class Survey:
    """What metrics tell of an ability.

    Attributes:
        lines: its counts as they were read; where they are the same, so is all that `counts` says.
        queues: those that hold jobs, or did.
        retries: failed runs after which a job was tried again.
        breaks: worker processes that were found broken.
    """

    service_id: str
    counts: Counts
    queues: tuple[Queue, ...]
    open_jobs: int
    put_off_jobs: int
    retries: int
    breaks: int
    lines: bytes = b""

    def submitted(self) -> dict[str, int]:
        """Returns lane -> jobs that were accepted.

        The numbers that queues give out count them, without a command more for each job.
        """
        numbers = Counter({lane: count for (lane,), count in self.counts.of("in").items()})
        for queue in self.queues:
            numbers[QueueName.parse(queue.name).lane] += queue.given_in
        for kind in ("moved", "canaries"):
            numbers.subtract({lane: count for (lane,), count in self.counts.of(kind).items()})
        return dict(numbers)


def survey_command(service_ids: Iterable[str]) -> Command:
    """Reads what metrics tell of some abilities, after it has taken into the counts what has ended."""
    return SURVEY.call((), service_ids)


def surveys(service_ids: Sequence[str], reply: Any) -> list[Survey]:
    """Reads the answer of `survey_command`; an ability whose keys are of wrong kinds is left out."""
    now_ms, *told = reply
    return [
        _survey(service_id, now_ms, *item) for service_id, item in zip(service_ids, told, strict=True) if item
    ]


def _survey(service_id: str, now_ms: int, lines: bytes, queues: bytes, *numbers: int) -> Survey:
    open_jobs, put_off_jobs, retries, breaks = numbers
    known = tuple(_queues(queues, now_ms))
    return Survey(service_id, read_counts(lines), known, open_jobs, put_off_jobs, retries, breaks, lines)


def _queues(lines: bytes, now_ms: int) -> Iterator[Queue]:
    items = iter(lines.split(b"\n"))
    for name, jobs, queued_ms, paused, given_in in zip(*[items] * 5, strict=False):
        oldest_s = max(0, now_ms - int(queued_ms)) / 1000 if queued_ms != b"0" else 0.0
        given = int(given_in) if given_in.isdigit() else 0
        yield Queue(name.decode(errors="replace"), int(jobs), oldest_s, paused == b"1", given)
