"""What wrappers count themselves, among the counts of their ability.

| field of `athena.store.keys.counts_key` | what |
|---|---|
| `own NAME` | what the metric is (JSON) |
| `own_c NAME LABELS` | a counter; LABELS is a list of their values (JSON without blanks) |
| `own_g NAME LABELS WORKER` | a gauge of a worker |
| `own_h NAME LABELS LE` | values of a histogram up to a limit, and above the one before |
| `own_s NAME LABELS` | the sum of its values |
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from athena.store.books.counts import INFINITE
from athena.store.scripts import COUNT, Arg, Command

#: An ability's counts have at most so many fields; further ones are refused.
MAX_FIELDS = 5000

ADD, SET = "add", "set"


class Change(NamedTuple):
    """A field that grows, or is set."""

    act: str
    field: str
    value: str


def count_command(service_id: str, changes: Iterable[Change]) -> Command:
    """Adds to an ability's counts what one of its workers has counted."""
    args: list[Arg] = [service_id, MAX_FIELDS]
    for change in changes:
        args += change
    return COUNT.call((), args)


def described(name: str, about: Mapping[str, Any]) -> Change:
    """Says what a metric is."""
    return Change(SET, f"own {name}", json.dumps(about))


def counted(name: str, labels: Sequence[str], amount: float) -> Change:
    """A counter has grown."""
    return Change(ADD, f"own_c {name} {_listed(labels)}", repr(amount))


def gauged(name: str, labels: Sequence[str], worker: str, value: float) -> Change:
    """A worker's gauge has a value."""
    return Change(SET, f"own_g {name} {_listed(labels)} {worker}", repr(value))


def spread(
    name: str, labels: Sequence[str], limits: Sequence[float], counts: Sequence[int], total: float
) -> Iterator[Change]:
    """Values of a histogram have come."""
    listed = _listed(labels)
    for limit, count in zip((*map(repr, limits), INFINITE), counts, strict=True):
        if count:
            yield Change(ADD, f"own_h {name} {listed} {limit}", str(count))
    yield Change(ADD, f"own_s {name} {listed}", repr(total))


class OwnSeries(NamedTuple):
    """One series as it was counted.

    Attributes:
        worker: of a gauge.
        buckets: upper limit -> how many.
    """

    name: str
    labels: tuple[str, ...]
    worker: str
    value: float
    buckets: dict[float, int]


class OwnMetrics(NamedTuple):
    """An ability's own metrics.

    Attributes:
        about: name -> what it is.
    """

    about: dict[str, dict[str, Any]]
    series: list[OwnSeries]


def read_own(fields: Mapping[bytes, bytes]) -> OwnMetrics:
    """Reads the fields that are about them; what is not understood is left out."""
    about: dict[str, dict[str, Any]] = {}
    found: dict[tuple[str, str, str], OwnSeries] = {}
    for raw, value in fields.items():
        kind, name, *rest = raw.decode(errors="replace").split(" ")
        try:
            if kind == "own":
                about[name] = json.loads(value)
                continue
            worker = rest[1] if kind == "own_g" else ""
            place = (name, rest[0], worker)
            series = found.get(place) or OwnSeries(name, tuple(json.loads(rest[0])), worker, 0.0, {})
            if kind == "own_h":
                series.buckets[float(rest[1])] = int(float(value))
            elif kind in ("own_c", "own_g", "own_s"):
                series = series._replace(value=float(value))
            found[place] = series
        except (ValueError, IndexError, TypeError):
            continue
    return OwnMetrics(about, list(found.values()))


def _listed(labels: Sequence[str]) -> str:
    # Fields are taken apart at blanks.
    return json.dumps(list(labels), separators=(",", ":")).replace(" ", "\\u0020")
