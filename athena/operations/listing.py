"""Lists jobs, page by page, with a bounded amount of work for each page.

A cursor names the job that was looked at last, not how many there were before it: what ends between two
pages moves nothing. Open jobs come first; what ends after the last of them was looked at is left out of the
ended ones, for it was listed already.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from athena.errors import NotFoundError
from athena.fleet.traffic_split import side_versions
from athena.jobs.record import JobRecord
from athena.operations.lines import read_lines, record_in_line
from athena.operations.steps import Steps
from athena.protocol.enums import JobState
from athena.store.keys import ABILITIES, app_ended_key, app_open_key, ended_key, open_key
from athena.store.scripts import LIST, pairs

#: What one script may look at, so that nobody else waits long for Redis, and what one page may.
LOOKED_AT_ONCE = 250
LOOKED_AT_A_PAGE = 1000

#: What a script costs that finds nothing, in jobs.
SCRIPT_COST = 20

_SCORE = re.compile(r"-?[0-9]{1,16}|")


@dataclass(frozen=True)
class JobFilter:
    """Which jobs are listed; "" means any.

    Attributes:
        service_id: of an ability, with all of its versions, or of one beside the main one.
        code: with which they ended; None for any.
        since_ms: when they ended, or were submitted if they have not, at the earliest, in milliseconds since
            1970; 0 for any.
        until_ms: the same, at the latest.
    """

    service_id: str = ""
    state: str = ""
    app_id: str = ""
    code: int | None = None
    since_ms: int = 0
    until_ms: int = 0

    def wants(self, kind: str) -> bool:
        """Whether jobs of a kind, open or ended, are of interest."""
        if self.code is not None and kind != ENDED:
            return False
        return not self.state or JobState(self.state).is_final == (kind == ENDED)


@dataclass(frozen=True)
class JobPage:
    """Some of the jobs that are asked for, and where to go on; "" at the end."""

    jobs: list[JobRecord]
    cursor: str


#: A job's id, and the fields of its record.
_Found = tuple[str, dict[bytes, bytes]]

OPEN, ENDED, PRIVATE = "open", "ended", "private"


class _Section(NamedTuple):
    """One of the sorted sets that a listing leads through, one after the other.

    Attributes:
        kind: open or ended; private for open jobs that only their callers know, which no app's set holds.
        service_id: whose set it is; "" for an app's.
    """

    kind: str
    service_id: str
    key: str


class _Place(NamedTuple):
    """Where a listing goes on: behind the job of this score and id; at the beginning if both are ""."""

    section: _Section
    score: str = ""
    job_id: str = ""

    def cursor(self) -> str:
        """Returns the text that leads here."""
        return f"{self.section.kind}.{self.section.service_id}.{self.score}.{self.job_id}"


def list_jobs(wanted: JobFilter, limit: int, cursor: str = "") -> Steps[JobPage]:
    """Lists jobs, first open ones by their deadline, then ended ones, the last first.

    Goes ability by ability, but lists those of one app together. A page before the last may hold fewer jobs
    than its limit, even none.

    Raises:
        NotFoundError: the cursor is none that this function has given.
    """
    sections = yield from _sections(wanted)
    place = _read_cursor(cursor, sections) if cursor else _beginning(sections, 0, wanted.until_ms)
    jobs: list[_Found] = []
    budget = max(limit, LOOKED_AT_A_PAGE)
    while place is not None and len(jobs) < limit and budget > 0:
        looked, score, last_id, now_ms, *found = yield LIST.call(
            (place.section.key,), _arguments(place, wanted, limit - len(jobs), min(budget, LOOKED_AT_ONCE))
        )
        jobs += (
            (job_id.decode(), pairs(fields)) for job_id, fields in zip(found[::2], found[1::2], strict=True)
        )
        budget -= max(looked, SCRIPT_COST)
        if score:
            place = place._replace(score=score.decode(), job_id=last_id.decode())
        else:
            place = _beginning(sections, sections.index(place.section) + 1, wanted.until_ms, now_ms)
    lines = yield from read_lines(fields for _, fields in jobs)
    records = [record_in_line(job_id, fields, lines) for job_id, fields in jobs]
    return JobPage(records, place.cursor() if place is not None else "")


def _sections(wanted: JobFilter) -> Steps[list[_Section]]:
    known = yield from _service_ids()
    service_ids = (
        [wanted.service_id, *side_versions(wanted.service_id, known)] if wanted.service_id else known
    )
    found = _of_app(wanted.app_id, service_ids) if wanted.app_id else _of_abilities(service_ids)
    return [section for section in found if wanted.wants(section.kind)]


def _service_ids() -> Steps[list[str]]:
    return sorted(key.decode() for key in (yield ("HKEYS", ABILITIES)))


def _of_abilities(service_ids: list[str]) -> Iterator[_Section]:
    for service_id in service_ids:
        yield _Section(OPEN, service_id, open_key(service_id))
        yield _Section(ENDED, service_id, ended_key(service_id))


def _of_app(app_id: str, service_ids: list[str]) -> Iterator[_Section]:
    yield _Section(OPEN, "", app_open_key(app_id))
    yield _Section(ENDED, "", app_ended_key(app_id))
    for service_id in service_ids:
        yield _Section(PRIVATE, service_id, open_key(service_id))


def _beginning(
    sections: list[_Section], index: int, until_ms: int, now_ms: int | None = None
) -> _Place | None:
    """Returns where a section begins.

    That of ended jobs at `now_ms`, when the open ones had been listed, or at `until_ms`, if that is before.
    """
    if index >= len(sections):
        return None
    section = sections[index]
    follows = index > 0 and sections[index - 1].kind == OPEN and now_ms is not None
    bounds = [bound for bound in (now_ms if follows else None, until_ms or None) if bound is not None]
    if section.kind == ENDED and bounds:
        # A place itself is left out: from the bound on, jobs would be missing that ended in this millisecond.
        return _Place(section, str(min(bounds) + 1))
    return _Place(section)


def _arguments(place: _Place, wanted: JobFilter, limit: int, look: int) -> tuple[str | int, ...]:
    downwards, private = ("1" if place.section.kind == kind else "" for kind in (ENDED, PRIVATE))
    chosen = (wanted.state, wanted.app_id, wanted.service_id)
    code = "" if wanted.code is None else wanted.code
    times = (wanted.since_ms, wanted.until_ms)
    return (downwards, place.score, place.job_id, limit, look, *chosen, private, code, *times)


def _read_cursor(cursor: str, sections: list[_Section]) -> _Place:
    parts = cursor.split(".", 3)
    for section in sections:
        if parts[:2] == [section.kind, section.service_id] and len(parts) == 4 and _SCORE.fullmatch(parts[2]):
            return _Place(section, *parts[2:])
    raise NotFoundError(f"there is no page {cursor!r}; take the cursor of the page before")
