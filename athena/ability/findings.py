"""What `athena check` has to say about an ability, and how it says it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any


class Severity(StrEnum):
    """How bad a finding is: an error keeps requests from being answered."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing about an ability that its author should know.

    Attributes:
        rule: short name of the kind of finding.
        text: what is the matter, as a sentence without a full stop.
        remedy: what to do about it.
        file: where, or "".
        line: counted from 1; 0 for the whole file.
    """

    severity: Severity
    rule: str
    text: str
    remedy: str
    file: str = ""
    line: int = 0

    def encode(self) -> dict[str, Any]:
        """Returns the finding as a JSON object."""
        return asdict(self)

    @classmethod
    def decode(cls, document: dict[str, Any]) -> "Finding":
        """Reads what `encode` returned."""
        return cls(**{**document, "severity": Severity(document["severity"])})

    def render(self) -> str:
        """Returns the finding for people: headline, place, the line itself, remedy."""
        lines = [f"{self.severity}[{self.rule}]: {self.text}"]
        if self.file:
            place = f"{_shown(self.file)}:{self.line}" if self.line else _shown(self.file)
            lines.append(f"  --> {place}")
            source = _line(self.file, self.line)
            if source:
                margin = " " * len(str(self.line))
                lines += [f" {margin} |", f" {self.line} | {source}", f" {margin} |"]
        lines.append(f"  = help: {self.remedy}")
        return "\n".join(lines)


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Returns findings without repetitions, the worst first, then by place."""
    # As texts, notes would come before warnings.
    ranks = list(Severity)
    unique = dict.fromkeys(findings)
    return sorted(unique, key=lambda item: (ranks.index(item.severity), item.file, item.line))


def summary(findings: Iterable[Finding]) -> str:
    """Returns how many there are of each kind."""
    severities = [item.severity for item in findings]
    counts = [(severities.count(severity), severity.value) for severity in Severity]
    return ", ".join(f"{count} {name}{'' if count == 1 else 's'}" for count, name in counts)


def _shown(file: str) -> str:
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _line(file: str, number: int) -> str:
    try:
        lines = Path(file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return lines[number - 1].rstrip()[:160] if 0 < number <= len(lines) else ""
