"""What Redis is asked for to compare its books with the jobs' records, and to set them right.

Each command looks at a bounded number of jobs in one atomic step, so it may be sent while the system runs.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from athena.store.scripts import (
    AUDIT_HELD,
    AUDIT_JOBS,
    AUDIT_LISTS,
    AUDIT_METERS,
    AUDIT_QUEUE,
    AUDIT_SUMS,
    Command,
)

#: Jobs whose bytes are counted in one step.
MOST_COUNTED = 5000

#: Messages of a queue that are looked at in one step.
MOST_QUEUED = 1000

#: What a difference is called that is no difference of books, and that nobody can set right.
UNREADABLE = "record"

#: Stands for all abilities together; no service_id has this character.
EVERY_ABILITY = "*"

#: The same of a key that is of another type than ours.
SPOILED = "key"

#: Items that a script returns for each difference.
_ITEMS = 5


class Difference(NamedTuple):
    """Something that is not as the jobs' records say.

    Attributes:
        job_id: the job; "" where a sum or a worker is wrong.
        what: open, app_open, ended, app_ended, dead (lists of jobs); queues, line (what is known of a
            queue); bytes, kept_bytes (sums); quota (what an app has open); held, worker (what a worker
            holds); lost (a job that nobody has); record, key (one that cannot be read).
        owner: whose list, sum, or queue it is; of a quota the ability, a space, and the app.
        found: what was found.
        right: what is right.
    """

    job_id: str
    what: str
    owner: str
    found: str
    right: str


def jobs_command(job_ids: Iterable[str], repair: bool = False) -> Command:
    """Looks whether jobs are listed where they must be, and whether their queues know of them."""
    return AUDIT_JOBS.call((), (_flag(repair), *job_ids))


def lists_command(key: str, what: str, owner: str, job_ids: Iterable[str], repair: bool = False) -> Command:
    """Looks whether jobs are in a list that do not belong there."""
    return AUDIT_LISTS.call((key,), (what, owner, _flag(repair), *job_ids))


def sums_command(owner: str, repair: bool = False) -> Command:
    """Counts the bytes of an ability, or of the dead letters."""
    return AUDIT_SUMS.call((), (owner, _flag(repair), MOST_COUNTED))


def meters_command(service_id: str, repair: bool = False, app: str | None = None) -> Command:
    """Counts what metered apps have open in an ability; with `EVERY_ABILITY`, compares their sums.

    Args:
        service_id: the ability.
        repair: whether to write what was counted.
        app: the only one that is looked at; None for all.
    """
    return AUDIT_METERS.call((), (service_id, _flag(repair), MOST_COUNTED, *([] if app is None else [app])))


def held_command(incarnation: str, job_ids: Iterable[str], repair: bool = False) -> Command:
    """Looks whether a worker is registered, and whether jobs are its own that it is said to hold."""
    return AUDIT_HELD.call((), (incarnation, _flag(repair), *job_ids))


def queue_command(queue: str, job_ids: Iterable[str], repair: bool = False) -> Command:
    """Looks whether somebody has the messages of open jobs."""
    return AUDIT_QUEUE.call((queue,), (_flag(repair), MOST_QUEUED, *job_ids))


def differences(flat: Sequence[bytes]) -> list[Difference]:
    """Reads the differences in a script's answer."""
    items = iter([item.decode(errors="replace") for item in flat])
    return [Difference(*found) for found in zip(*[items] * _ITEMS, strict=True)]


def open_jobs(flat: Sequence[bytes]) -> list[tuple[str, str]]:
    """Reads the open jobs in the answer of `jobs_command`: id and queue of each."""
    items = iter([item.decode(errors="replace") for item in flat])
    return list(zip(items, items, strict=True))


def sums_answer(reply: Any) -> tuple[list[Difference], list[str]]:
    """Reads the answer of `sums_command`: differences, and which sums were not counted."""
    flat, uncounted = reply
    return differences(flat), [what.decode() for what in uncounted]


def _flag(value: bool) -> str:
    return "1" if value else "0"
