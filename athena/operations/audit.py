"""Compares Redis' books with the jobs' records, and sets them right: `athena doctor --audit`.

The records are what counts. All else can be counted anew from them: which jobs are open and ended, of an
ability and of an app; what workers hold; what queues know; how many bytes there are. Each look is a script of
bounded work, so that jobs go on meanwhile. What is found is looked at again later, because a stopping worker,
for one, is not registered any more and still has jobs; only what is still wrong then is a difference.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from athena.operations.steps import Steps
from athena.store.books.audit import (
    EVERY_ABILITY,
    MOST_QUEUED,
    SPOILED,
    Difference,
    differences,
    held_command,
    jobs_command,
    lists_command,
    meters_command,
    open_jobs,
    queue_command,
    sums_answer,
    sums_command,
)
from athena.store.fencing import Death, fence_command
from athena.store.keys import (
    ALL,
    DEAD,
    TYPES,
    account_key,
    app_ended_key,
    app_open_key,
    ended_key,
    inflight_key,
    kind_of,
    open_key,
)

T = TypeVar("T")

#: Jobs that one script looks at: Redis serves nobody else meanwhile.
AT_ONCE = 200

#: Keys that one step of the search through all keys looks at.
SCANNED_AT_ONCE = 500

#: When a difference is looked at again. A worker that stops has its grace time besides.
SECOND_LOOK_S = 1.0

#: For jobs that go back because their worker is not known, and that die with the next one too.
MAX_DEATHS = 3

_LIST_KEYS = {"open": open_key, "app_open": app_open_key, "ended": ended_key, "app_ended": app_ended_key}

_LISTED = "listed"


@dataclass
class Findings:
    """What an audit found.

    Attributes:
        looked_at: how many records there were.
        differences: what is wrong.
        uncounted: what was left out because it is too large for one step, in words.
    """

    looked_at: int = 0
    differences: list[Difference] = field(default_factory=list)
    uncounted: list[str] = field(default_factory=list)


@dataclass
class _Keys:
    """What the search through all keys came by; records are looked at on the way.

    Attributes:
        owners: whose keys there are, by kind.
        waiting: queue -> open jobs whose records name it.
        spoiled: of whom there is a key that is none of ours.
    """

    owners: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    waiting: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    spoiled: set[str] = field(default_factory=set)


def look() -> Steps[Findings]:
    """Looks through all of Redis, and changes nothing."""
    findings, keys = Findings(), _Keys()
    yield from _look_at_records(findings, keys)
    for what, key_of in _LIST_KEYS.items():
        for owner in sorted(keys.owners[what]):
            yield from _look_at_list(findings, key_of(owner), what, owner)
    if keys.owners["dead"]:
        yield from _look_at_list(findings, DEAD, "dead", "")
    for incarnation in sorted((keys.owners["inflight"] | keys.owners["canceled"]) - keys.spoiled):
        yield from _look_at_worker(findings, incarnation)
    for queue, job_ids in sorted(keys.waiting.items()):
        yield from _look_at_queue(findings, queue, job_ids)
    for owner in sorted((keys.owners["load"] | keys.owners["open"] | keys.owners["kept"]) - keys.spoiled):
        found, uncounted = sums_answer((yield sums_command(owner)))
        # Over a wrong list the sum says nothing; it is counted anew when the list was set right.
        has_wrong_list = any(item.what == "open" and item.owner == owner for item in findings.differences)
        findings.differences += [item for item in found if item.what != "bytes" or not has_wrong_list]
        findings.uncounted += [f"{what} of {owner}: too many jobs" for what in uncounted]
    yield from _look_at_meters(findings, keys)
    return findings


def wait_s(found: Sequence[Difference], grace_s: float) -> float:
    """Returns how long to wait for the second look: a worker that stops may go on for so long."""
    stops = any(item.what == "worker" for item in found)
    return SECOND_LOOK_S + (grace_s if stops else 0)


def look_again(found: Iterable[Difference], repair: bool, dead_ttl_s: float) -> Steps[list[Difference]]:
    """Looks at differences a second time; returns those that are still there.

    Args:
        found: what the first look found.
        repair: whether to set them right, each in the step that finds it again.
        dead_ttl_s: how long dead letters are kept, which jobs of workers that are gone may become.
    """
    by_check: defaultdict[tuple[str, str], list[Difference]] = defaultdict(list)
    for item in found:
        by_check[_check_of(item), item.owner].append(item)
    still: list[Difference] = []
    for (check, owner), items in sorted(by_check.items(), key=lambda entry: _turn(*entry[0])):
        seen = yield from _check_again(check, owner, items, repair, dead_ttl_s)
        wanted = {(item.what, item.owner, item.job_id) for item in items}
        still += [item for item in seen if (item.what, item.owner, item.job_id) in wanted]
    if repair:
        yield from _count_anew({item.owner for item in still if item.what == "open"})
    return still


def _turn(check: str, owner: str) -> int:
    """Returns when a look has its turn: sums come last, those over other sums after these."""
    if check == "meters":
        return 3 if owner.startswith(EVERY_ABILITY) else 2
    return 1 if check == "sums" else 0


def _check_of(item: Difference) -> str:
    """Returns which look finds a difference."""
    if item.what in ("bytes", "kept_bytes"):
        return "sums"
    if item.what == "quota":
        return "meters"
    if item.what in ("held", "worker"):
        return "held"
    if item.what == "lost":
        return "queue"
    if item.what == SPOILED:
        return "type"
    return item.what if item.what == "dead" or item.found == _LISTED else "jobs"


def _check_again(
    check: str, owner: str, items: list[Difference], repair: bool, dead_ttl_s: float
) -> Steps[list[Difference]]:
    if check == "sums":
        found, _ = sums_answer((yield sums_command(owner, repair)))
        return found
    if check == "meters":
        service_id, _, app = owner.partition(" ")
        found, _ = sums_answer((yield meters_command(service_id, repair, app)))
        return found
    if check == "type":
        found_type = yield ("TYPE", owner)
        return [item for item in items if item.found == found_type.decode()]
    still: list[Difference] = []
    for ids in _portions([item.job_id for item in items if item.job_id] or [""]):
        if check == "jobs":
            still += differences((yield jobs_command(ids, repair))[0])
        elif check == "queue":
            still += differences((yield queue_command(owner, ids, repair))[0])
        elif check == "held":
            still += yield from _check_worker_again(owner, ids, repair, dead_ttl_s)
        else:
            key = DEAD if check == "dead" else _LIST_KEYS[check](owner)
            still += differences((yield lists_command(key, check, owner, ids, repair)))
    return still


def _check_worker_again(
    incarnation: str, ids: Sequence[str], repair: bool, dead_ttl_s: float
) -> Steps[list[Difference]]:
    found = differences((yield held_command(incarnation, ids, repair)))
    if repair and any(item.what == "worker" for item in found):
        death = Death("its worker is not registered", None, MAX_DEATHS, dead_ttl_s)
        yield fence_command(incarnation, death)
    return found


def _count_anew(owners: Iterable[str]) -> Steps[None]:
    """Counts the bytes of abilities whose lists of open jobs have changed."""
    for owner in sorted(owners):
        yield sums_command(owner, True)


def _look_at_records(findings: Findings, keys: _Keys) -> Steps[None]:
    cursor: Any = b"0"
    while True:
        cursor, page = yield ("SCAN", cursor, "MATCH", ALL, "COUNT", SCANNED_AT_ONCE)
        names = [key.decode(errors="replace") for key in page]
        job_ids = [owner for kind, owner in map(kind_of, names) if kind == "job"]
        yield from _sort(findings, keys, names)
        findings.looked_at += len(job_ids)
        for ids in _portions(job_ids):
            found, waiting = yield jobs_command(ids)
            findings.differences += differences(found)
            for job_id, queue in open_jobs(waiting):
                keys.waiting[queue].append(job_id)
        if cursor == b"0":
            return


def _sort(findings: Findings, keys: _Keys, names: list[str]) -> Steps[None]:
    """Notes whose keys there are; one that holds something else is told, and not looked into."""
    known = [name for name in names if kind_of(name)[0] in TYPES]
    types = yield [("TYPE", name) for name in known]
    for name, raw in zip(known, types, strict=True):
        (kind, owner), found = kind_of(name), raw.decode()
        if found == TYPES[kind]:
            keys.owners[kind].add(owner)
        elif found != "none":
            keys.spoiled.add(owner)
            findings.differences.append(Difference("", SPOILED, name, found, TYPES[kind]))


def _look_at_list(findings: Findings, key: str, what: str, owner: str) -> Steps[None]:
    cursor: Any = b"0"
    while True:
        cursor, page = yield ("ZSCAN", key, cursor, "COUNT", AT_ONCE)
        for ids in _portions([member.decode(errors="replace") for member in page[::2]]):
            findings.differences += differences((yield lists_command(key, what, owner, ids)))
        if cursor == b"0":
            return


def _look_at_worker(findings: Findings, incarnation: str) -> Steps[None]:
    held = yield ("HKEYS", inflight_key(incarnation))
    # A set, because each portion finds anew that the worker is not registered.
    seen: set[Difference] = set()
    # At least one look: a worker that holds no jobs may have left a list of canceled ones.
    for ids in _portions([job_id.decode(errors="replace") for job_id in held] or [""]):
        seen.update(differences((yield held_command(incarnation, ids))))
    findings.differences += sorted(seen)


def _look_at_meters(findings: Findings, keys: _Keys) -> Steps[None]:
    """Looks at what metered apps have open: in each ability first, and then their sums."""
    abilities = keys.owners["load"] | keys.owners["open"]
    for app in sorted(keys.owners["account"] - keys.spoiled):
        fields = yield ("HKEYS", account_key(app))
        abilities |= {field.decode(errors="surrogateescape") for field in fields if field}
    # Dead letters have books of their own, and are open no more.
    for service_id in (*sorted(abilities - keys.spoiled - {DEAD}), EVERY_ABILITY):
        found, uncounted = sums_answer((yield meters_command(service_id)))
        findings.differences += found
        findings.uncounted += [f"{what} of {service_id}: too many jobs" for what in uncounted]


def _look_at_queue(findings: Findings, queue: str, job_ids: list[str]) -> Steps[None]:
    is_told = False
    for ids in _portions(job_ids):
        found, is_too_long = yield queue_command(queue, ids)
        findings.differences += differences(found)
        if is_too_long and not is_told:
            findings.uncounted.append(f"messages of {queue}: more than {MOST_QUEUED}")
        is_told = is_told or bool(is_too_long)


def _portions(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for first in range(0, len(items), AT_ONCE):
        yield items[first : first + AT_ONCE]
