"""What a dashboard is, as data."""

from dataclasses import dataclass
from typing import Literal

#: What queries name instead of an ability: those that are chosen at the top of the dashboard.
CHOSEN = 'service_id=~"$ability"'


@dataclass(frozen=True)
class Query:
    """One PromQL expression and the name of its lines, in which `{{label}}` stands for a label."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Chart:
    """One panel.

    Attributes:
        title: what it shows.
        queries: what it asks for.
        unit: one of Grafana's: `short`, `s`, `bytes`, `percentunit`, `celsius`, `watt`, `reqps`.
        kind: a number, or lines over time.
        bad_from: from this value on it is red; None: no value is bad.
        bad_below: below this value it is red.
        is_stacked: whether its lines add up.
    """

    title: str
    queries: tuple[Query, ...]
    unit: str = "short"
    kind: Literal["lines", "number"] = "lines"
    bad_from: float | None = None
    bad_below: float | None = None
    is_stacked: bool = False


@dataclass(frozen=True)
class Row:
    """Panels that belong together."""

    title: str
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Page:
    """A dashboard; its uid stays, so that links to it do."""

    name: str
    title: str
    description: str
    rows: tuple[Row, ...]
    by_ability: bool = True

    @property
    def uid(self) -> str:
        """What Grafana knows it by."""
        return f"athena-{self.name}"


def lines(title: str, *queries: tuple[str, str], unit: str = "short", stacked: bool = False) -> Chart:
    """Returns a chart of lines over time."""
    return Chart(title, tuple(Query(*query) for query in queries), unit, is_stacked=stacked)


def number(
    title: str,
    expression: str,
    unit: str = "short",
    bad_from: float | None = None,
    bad_below: float | None = None,
) -> Chart:
    """Returns one number."""
    return Chart(title, (Query(expression),), unit, "number", bad_from, bad_below)
