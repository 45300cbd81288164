"""What operators have done: noted before it is done, and never changed."""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

import orjson

from athena.errors import AthenaError
from athena.operations.steps import Steps
from athena.plain_text import plain_line
from athena.store.books.trail import Entry, entries_of, newest_command, note_command, oldest_command

T = TypeVar("T")

#: Entries that are read at a time.
PAGE = 1000

MAX_TEXT = 300

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Act:
    """One thing that an operator does.

    Attributes:
        actor: whose key it was, or which user of which machine.
        origin: the address that it came from; "" for a command.
        action: as `queues pause` or `POST /v1/admin/queues/ocr/pause`.
        target: what it is done to.
        outcome: `asked`, or why it failed.
    """

    actor: str
    origin: str
    action: str
    target: str
    outcome: str = "asked"


def note(act: Act) -> Steps[None]:
    """Adds an entry, and a line to the log: a copy that nobody can change in Redis."""
    document = orjson.dumps({name: plain_line(text, MAX_TEXT) for name, text in asdict(act).items()})
    link = yield note_command(document)
    logger.info("trail %s %s", link.decode(), document.decode())


def recorded(act: Act, steps: Steps[T]) -> Steps[T]:
    """Does what an operator wants, once it is noted; what cannot be noted is not done.

    Raises:
        AthenaError: it cannot be done; that is noted as well.
    """
    yield from note(act)
    try:
        return (yield from steps)
    except AthenaError as error:
        yield from note(replace(act, outcome=f"failed: {error.message}"))
        raise


def list_acts(count: int) -> Steps[list[dict[str, Any]]]:
    """Lists the newest entries, the newest first."""
    found: list[dict[str, Any]] = []
    last = ""
    while len(found) < count:
        entries = list(entries_of((yield newest_command(min(PAGE, count - len(found)), last))))
        if not entries:
            break
        found += map(_describe, entries)
        last = entries[-1].entry_id
    return found


def verify_trail() -> Steps[list[str]]:
    """Returns the ids of entries that do not fit the one before: it, or that one, is not what was written.

    The oldest one fits any: what came before it may have gone because of its age.
    """
    wrong: list[str] = []
    before: Entry | None = None
    while True:
        last = before.entry_id if before else ""
        entries = list(entries_of((yield oldest_command(PAGE, last))))
        if not entries:
            return wrong
        wrong += _misfits(before, entries)
        before = entries[-1]


def _misfits(before: Entry | None, entries: Sequence[Entry]) -> list[str]:
    wrong = []
    for entry in entries:
        if before is not None:
            link = hashlib.sha1(before.link.encode() + entry.document).hexdigest()
            if link != entry.link:
                wrong.append(entry.entry_id)
        before = entry
    return wrong


def _describe(entry: Entry) -> dict[str, Any]:
    try:
        document = orjson.loads(entry.document)
    except orjson.JSONDecodeError:
        document = {}
    texts = document if isinstance(document, dict) else {}
    known = {name: str(texts.get(name, "")) for name in ("actor", "origin", "action", "target", "outcome")}
    return {"id": entry.entry_id, "at_ms": entry.at_ms, **known, "link": entry.link}
