"""The folder of an ability while it is served: what was read last, and whether it can still be read."""

from collections.abc import Callable
from pathlib import Path

from athena.ability.changes import planned_changes
from athena.ability.findings import Severity, in_order
from athena.ability.manifest import MANIFEST, Ability, load_ability
from athena.ability.misplaced import misplaced_keys
from athena.ability.source_check import check_source
from athena.errors import ConfigError

#: What keeps a wrapper from being imported, whatever is in it.
UNLOADABLE = frozenset({"syntax", "unreadable", "too-deep"})


class AbilityReading:
    """The last good reading of an ability's folder; its workers on a host share it.

    An edit of ability.toml is taken in as a whole or not at all: half of one was never tried by anybody.

    Args:
        ability: the first reading.
        load: reads the folder.

    Attributes:
        ability: the last good reading.
        problem: why the folder cannot be served as it is now, in one line; "" if it can.
    """

    def __init__(self, ability: Ability, load: Callable[[Path], Ability] = load_ability) -> None:
        self.ability = ability
        self.problem = ""
        self._load = load

    def renew(self) -> str:
        """Reads the folder again; returns the problem with it, with which the last good reading stays."""
        try:
            found = self._load(self.ability.path)
        except ConfigError as error:
            self.problem = error.message
            return self.problem
        self.problem = _unplanned(self.ability, found)
        if not self.problem:
            self.ability = found
        return self.problem

    def examine(self) -> str:
        """Reads the folder again, for a process that would take the place of one that serves.

        A wrapper.py that is no Python is a problem here alone: no earlier reading helps who starts anyway.
        """
        self.problem = self.renew() or _unloadable(self.ability.wrapper_path)
        return self.problem

    def warnings(self) -> list[str]:
        """Returns what the source of the wrapper shows to be wrong, though it can be loaded; a line each."""
        _, findings = check_source(self.ability.wrapper_path)
        findings += misplaced_keys(self.ability)
        return [
            f"{finding.file}, line {finding.line}: {finding.text}; {finding.remedy}"
            for finding in in_order(findings)
            if finding.severity is not Severity.NOTE and finding.rule not in UNLOADABLE
        ]


def _unplanned(before: Ability, after: Ability) -> str:
    changes = planned_changes(before, after)
    if not changes:
        return ""
    return (
        f"{after.path / MANIFEST}: {'; '.join(changes)}, which needs a restart of athena serve or "
        "athena workers; undo it to restart workers alone"
    )


def _unloadable(wrapper_path: Path) -> str:
    _, findings = check_source(wrapper_path)
    for finding in findings:
        if finding.rule in UNLOADABLE:
            return f"{finding.file}, line {finding.line}: {finding.text}; {finding.remedy}"
    return ""
