"""Log files, read back: the records of all processes of a host in the order of their time."""

import heapq
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from athena.telemetry.log_files import SUFFIX

Record = dict[str, Any]

LEVELS = ("debug", "info", "warning", "error", "critical")


@dataclass(frozen=True)
class LogQuery:
    """Which records are wanted; what is empty asks for nothing.

    Attributes:
        job_id: of one job.
        ability: of one ability.
        worker: of one worker, or of all whose names begin so.
        level: at least so grave: one of `LEVELS`.
        since: not before this time, as `ts` of records.
    """

    job_id: str = ""
    ability: str = ""
    worker: str = ""
    level: str = LEVELS[0]
    since: str = ""

    def matches(self, record: Record) -> bool:
        """Whether a record is wanted."""
        level = record.get("level")
        return (
            record["ts"] >= self.since
            and (not self.job_id or self._is_about(record))
            and (not self.ability or record.get("ability") == self.ability)
            and (not self.worker or str(record.get("worker", "")).startswith(self.worker))
            and (level not in LEVELS or LEVELS.index(level) >= LEVELS.index(self.level))
        )

    def _is_about(self, record: Record) -> bool:
        ids = record.get("job_ids")
        return record.get("job_id") == self.job_id or (isinstance(ids, list) and self.job_id in ids)


class LogHistory:
    """The log files of one folder; reads on where it left off."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[tuple[int, int], TextIO] = {}

    def read(self, query: LogQuery) -> Iterator[Record]:
        """Yields the wanted records that were not read before, the oldest first."""
        self._let_go_of_removed()
        opened = [self._opened(path) for path in log_files(self._folder)]
        streams = [records(file) for file in opened if file is not None]
        merged = heapq.merge(*streams, key=lambda record: record["ts"])
        return (record for record in merged if query.matches(record))

    def close(self) -> None:
        """Closes the files."""
        for file in self._open.values():
            file.close()
        self._open.clear()

    def _let_go_of_removed(self) -> None:
        """Closes files that have no name any more: they would take room until the end."""
        for place, file in list(self._open.items()):
            if not os.fstat(file.fileno()).st_nlink:
                file.close()
                del self._open[place]

    def _opened(self, path: Path) -> TextIO | None:
        # By its inode, because a file that is full gets another name.
        try:
            found = path.stat()
            place = (found.st_dev, found.st_ino)
            return self._open.get(place) or self._open.setdefault(place, path.open(encoding="utf-8"))
        except OSError:
            # It was renamed between the listing and now; the next look finds it.
            return None


def log_files(folder: Path) -> list[Path]:
    """Returns the log files of a folder, those of a process from the older to the newer."""
    ends = (f"{SUFFIX}.1", SUFFIX)
    return [path for end in ends for path in sorted(folder.glob(f"*{end}"))]


def records(lines: TextIO) -> Iterator[Record]:
    """Yields the records of a log file; what a death has cut short, or is no record, is left out."""
    while True:
        place = lines.tell()
        line = lines.readline()
        if not line.endswith("\n"):
            # Its writer is at it; the next look reads it whole.
            lines.seek(place)
            return
        yield from _record(line)


def _record(line: str) -> Iterable[Record]:
    try:
        record = json.loads(line)
    except ValueError:
        return ()
    return (record,) if isinstance(record, dict) and isinstance(record.get("ts"), str) else ()
