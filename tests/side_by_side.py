"""How tests run side by side with pytest-xdist; a file stays together, as its tests may share a stack."""

from pathlib import Path
from typing import Any

import pytest

#: More processes than this gain little and take memory: each may have a whole stack of its own.
MOST_WORKERS = 8

#: The folders whose files begin first, as these take longest; the short ones fill up what is left at the end.
LONGEST_FIRST = ("e2e", "integration")


def worker_count(cores: int, waiting: bool) -> int:
    """Returns how many processes run tests: one more than there are cores where tests mostly wait."""
    return min(cores + waiting, MOST_WORKERS)


def begin_with_the_longest(items: list[pytest.Item], tests: Path) -> None:
    """Sorts the files of tests; within a file and a folder nothing changes place."""
    items.sort(key=lambda item: _rank(item.path, tests))


def _rank(path: Path, tests: Path) -> int:
    room = path.relative_to(tests).parts[0]
    return LONGEST_FIRST.index(room) if room in LONGEST_FIRST else len(LONGEST_FIRST)


def sendable(report: Any) -> Any:
    """Returns a report that can be sent to the process that prints it.

    Hostile texts end up in what a test has logged, and half of a surrogate pair is not to be had in UTF-8.
    """
    if isinstance(report, str):
        return report.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(report, dict):
        return {sendable(key): sendable(value) for key, value in report.items()}
    if isinstance(report, list | tuple):
        return type(report)(sendable(value) for value in report)
    return report
