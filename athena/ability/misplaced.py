"""Keys that stand in `[config]`, where the wrapper alone reads them, and mean something elsewhere.

A line that is added at the end of an ability.toml belongs to the table before it, which is often
`[config]`.
"""

import re
from collections.abc import Iterator

from athena.ability.changes import options_of
from athena.ability.findings import Finding, Severity
from athena.ability.manifest import MANIFEST, Ability

#: Whether an ability is served beside the main version.
BESIDE = "beside"


def misplaced_keys(ability: Ability) -> Iterator[Finding]:
    """Yields what is to be said of such keys; those that the wrapper names are its own."""
    file = ability.path / MANIFEST
    if not file.exists():
        return
    lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    source = ability.wrapper_path.read_text(encoding="utf-8", errors="replace")
    for option in options_of(ability):
        table, _, key = option.rpartition(".")
        line = _line_of(key, lines)
        if key in ability.config and line and not re.search(rf"""["']{key}["']""", source):
            place = f"the table [{table}]" if table else "the head of the file, before the first [table]"
            yield Finding(
                Severity.WARNING,
                "misplaced-key",
                f"{key} stands in [config], so {option} is not set",
                f"move the line into {place}; only wrapperInit reads [config]",
                str(file),
                line,
            )


def _line_of(key: str, lines: list[str]) -> int:
    """Returns where `[config]` sets a key, counted from 1; 0 where it does not."""
    table = ""
    for number, line in enumerate(lines, 1):
        head = re.match(r"\s*\[([^]]+)\]", line)
        table = head[1].strip() if head else table
        if table == "config" and re.match(rf"\s*{key}\s*=", line):
            return number
    return 0
