"""The alert rules of monitoring/, as data."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from athena.telemetry.metrics import METRICS
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


def told_names() -> set[str]:
    """Returns the names of the series that a gateway tells of: those of a histogram are three."""
    names = {metric.name for metric in METRICS}
    return names | {f"{metric.name}_{part}" for metric in METRICS for part in ("bucket", "sum", "count")}


def asked_names(expression: str) -> set[str]:
    """Returns which of a gateway's series an expression asks for; what rules record has a `:` in its name."""
    return set(re.findall(r"(?<![\w:])athena_\w+(?![\w:])", expression))
