"""What monitoring/ says, compared with what there is."""

import re

import pytest

from tests.alerts import (
    ANNOTATIONS,
    MONITORING,
    RULES,
    Alert,
    alerts,
    asked_names,
    groups,
    told_names,
)
from tests.dashboards.pages import DASHBOARDS
from tests.house import ROOT

ALERTS = list(alerts())


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_alert_tells_what_it_means_and_what_to_do(alert: Alert) -> None:
    assert set(alert.annotations) == set(ANNOTATIONS)
    assert alert.severity in ("page", "ticket")
    assert alert.annotations["meaning"].endswith(".")
    for told in ("causes", "action"):
        assert not alert.annotations[told].endswith(".")


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_alert_leads_to_a_section_of_the_runbook(alert: Alert) -> None:
    page, _, anchor = alert.annotations["runbook"].partition("#")
    titles = re.findall(r"^## (.+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)

    assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_alert_is_seen_to_fire_in_the_tests_of_the_rules(alert: Alert) -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in MONITORING.glob("prometheus/tests/*.yml"))

    assert f'ALERTS{{alertname="{alert.name}", alertstate="firing"' in tests


def test_no_alert_has_the_name_of_another() -> None:
    names = [alert.name for alert in ALERTS]

    assert len(names) == len(set(names))


def _asked() -> dict[str, set[str]]:
    """Returns expression -> series of a gateway that it asks for, of all rules and dashboards."""
    rules = [
        rule for path in sorted(RULES.glob("*.yml")) for group in groups(path.name) for rule in group["rules"]
    ]
    queries = [
        query for page in DASHBOARDS for row in page.rows for chart in row.charts for query in chart.queries
    ]
    expressions = [rule["expr"] for rule in rules] + [query.expression for query in queries]
    return {expression: asked_names(expression) for expression in expressions}


def test_what_rules_and_dashboards_ask_for_is_told() -> None:
    for expression, names in _asked().items():
        assert names <= told_names(), expression


def test_what_is_recorded_is_what_is_asked_for() -> None:
    recorded = {
        rule.get("record")
        for path in RULES.glob("*.yml")
        for group in groups(path.name)
        for rule in group["rules"]
    }

    for expression in _asked():
        assert set(re.findall(r"\b\w+:athena_\w+:\w+", expression)) <= recorded, expression
