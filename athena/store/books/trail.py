"""The trail of what operators do, in Redis: entries are added, and none is ever changed."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from athena.store.keys import TRAIL
from athena.store.scripts import NOTE, Command

#: About so many entries are kept; the oldest go first.
KEPT_ENTRIES = 100_000


class Entry(NamedTuple):
    """An entry as Redis holds it.

    Attributes:
        entry_id: the stream's; its first part is Redis' time in milliseconds.
        document: JSON.
        link: SHA-1 of the link before and the document, in hex.
    """

    entry_id: str
    document: bytes
    link: str

    @property
    def at_ms(self) -> int:
        """When it was added."""
        return int(self.entry_id.partition("-")[0])


def note_command(document: bytes) -> Command:
    """Adds an entry; the answer is its link."""
    return NOTE.call((), (document, KEPT_ENTRIES))


def newest_command(count: int, before: str = "") -> Command:
    """Reads entries, the newest first; with `before`, those older than that one."""
    return ("XREVRANGE", TRAIL, f"({before}" if before else "+", "-", "COUNT", count)


def oldest_command(count: int, after: str = "") -> Command:
    """Reads entries, the oldest first; with `after`, those newer than that one."""
    return ("XRANGE", TRAIL, f"({after}" if after else "-", "+", "COUNT", count)


def entries_of(reply: Any) -> Iterator[Entry]:
    """Reads the answer of both."""
    for entry_id, flat in reply:
        fields = dict(zip(flat[::2], flat[1::2], strict=True))
        yield Entry(entry_id.decode(), fields.get(b"entry", b""), fields.get(b"link", b"").decode())
