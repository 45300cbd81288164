"""What an ability imports and its requirements.txt does not name."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from athena.ability.findings import Finding, Severity
from athena.environments.requirements import Requirements, read_requirements
from athena.errors import ConfigError


def unlisted_imports(folder: Path, events: Iterable[dict[str, Any]]) -> Iterator[Finding]:
    """Yields what is to be said of it.

    Args:
        folder: of the ability.
        events: what a rehearsal has reported; imports are among it.
    """
    imported = [event for event in events if "imports" in event]
    try:
        requirements = read_requirements(folder) if imported else None
    except ConfigError as error:
        yield Finding(Severity.WARNING, "bad-requirements", error.message, "the message says it")
        return
    # What is named by its path may be anything.
    if requirements is None or requirements.has_unnamed:
        return
    named = _names(requirements)
    for event in imported:
        packages = [Requirement(item) for item in event["packages"]]
        if not named & {canonicalize_name(item.name) for item in packages}:
            yield _finding(event, str(packages[0]))


def _names(requirements: Requirements) -> set[str]:
    return {canonicalize_name(item.name) for item in requirements.packages}


def _finding(event: dict[str, Any], package: str) -> Finding:
    return Finding(
        Severity.WARNING,
        "unlisted-import",
        f"imports {event['imports']!r}, for which requirements.txt names no package",
        f"add the line {package}: an image or a server elsewhere gets what that file names",
        event["file"],
        event["line"],
    )
