"""The alert rules of monitoring/, as data."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.house import ROOT

MONITORING = ROOT / "monitoring"
RULES = MONITORING / "prometheus" / "rules"

#: What operators are told of each alert.
ANNOTATIONS = ("summary", "meaning", "causes", "action", "runbook")


@dataclass(frozen=True)
class Alert:
    """One alert, as Prometheus is given it."""

    name: str
    expression: str
    hold: str
    severity: str
    annotations: dict[str, str]


def groups(file: str) -> list[Any]:
    """Returns the groups of a file of rules."""
    groups: list[Any] = yaml.safe_load((RULES / file).read_text(encoding="utf-8"))["groups"]
    return groups


def alerts() -> Iterator[Alert]:
    """Yields all alerts, in the order of their file."""
    for group in groups("alerts.yml"):
        for rule in group["rules"]:
            yield Alert(
                rule["alert"], rule["expr"], rule["for"], rule["labels"]["severity"], rule["annotations"]
            )
