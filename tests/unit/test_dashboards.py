"""The dashboards' files, as Grafana will read them."""

import itertools
import json
from typing import Any

import pytest
import yaml

from tests.alerts import MONITORING
from tests.dashboards.pages import DASHBOARDS

FOLDER = MONITORING / "grafana"
FILES = sorted(FOLDER.glob("dashboards/*.json"))


def panels(document: Any) -> list[Any]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def test_each_dashboard_has_a_file_and_a_uid_of_its_own() -> None:
    assert {path.stem for path in FILES} == {page.name for page in DASHBOARDS}
    assert len({json.loads(path.read_text())["uid"] for path in FILES}) == len(FILES) >= 7


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_panels_do_not_overlap_and_stay_within_the_grid(path: Any) -> None:
    places = [panel["gridPos"] for panel in json.loads(path.read_text())["panels"]]

    for place in places:
        assert place["x"] >= 0 and place["x"] + place["w"] <= 24, place
    for one, other in itertools.combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_panel_has_a_title_a_unit_and_the_chosen_source(path: Any) -> None:
    document = json.loads(path.read_text())
    names = {variable["name"] for variable in document["templating"]["list"]}
    titles = [panel["title"] for panel in panels(document)]

    assert "datasource" in names
    assert len(titles) == len(set(titles))
    for panel in panels(document):
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "$datasource"
            assert ("$ability" in target["expr"]) <= ("ability" in names), panel["title"]


def test_what_grafana_is_provisioned_with_is_yaml() -> None:
    (source,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    scraping = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())["global"]
    (provider,) = yaml.safe_load((FOLDER / "provisioning/dashboards/athena.yml").read_text())["providers"]

    assert source["jsonData"]["timeInterval"] == scraping["scrape_interval"]
    assert provider["options"]["path"].startswith("/var/lib/grafana/")
