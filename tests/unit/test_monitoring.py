"""What monitoring/ says, compared with what there is."""

import re

import pytest

from tests.alerts import ANNOTATIONS, MONITORING, Alert, alerts
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
