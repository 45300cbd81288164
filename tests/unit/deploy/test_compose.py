"""The files for Compose, against its schema; `make deploy-check` brings them up."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from athena import __version__

ROOT = Path(__file__).parents[3]
COMPOSE = ROOT / "deploy" / "compose"
FILES = sorted(COMPOSE.glob("*.yaml"))
SCHEMA = json.loads((ROOT / "tests" / "data" / "compose" / "compose-spec.json").read_text())

#: A variable as Compose writes it, and what stands behind its name.
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(:[-?][^}]*)?\}")


def loaded(path: Path) -> dict[str, Any]:
    """Returns a file with its variables as they are by default."""
    text = VARIABLE.sub(_default, path.read_text(encoding="utf-8"))
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def _default(found: re.Match[str]) -> str:
    rule = found[2] or ""
    return rule[2:] if rule.startswith(":-") else "given"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_file_is_as_the_specification_asks(path: Path) -> None:
    Draft202012Validator(SCHEMA).validate(loaded(path))


def test_a_misspelt_key_is_found() -> None:
    document = loaded(COMPOSE / "compose.yaml")
    document["services"]["gateway"]["read_onli"] = True

    with pytest.raises(ValidationError):
        Draft202012Validator(SCHEMA).validate(document)


def test_every_variable_is_in_the_example() -> None:
    used = {name: rule for path in FILES for name, rule in VARIABLE.findall(path.read_text()) if rule}
    lines = (COMPOSE / ".env.example").read_text(encoding="utf-8").splitlines()
    set_ones = dict(line.lstrip("#").split("=", 1) for line in lines if re.match(r"#?[A-Z_]+=", line))

    assert set_ones.keys() == used.keys()
    assert set_ones["ATHENA_VERSION"] == __version__
    for name, rule in used.items():
        if rule.startswith(":-"):
            assert set_ones[name] == rule[2:], name


def test_all_services_of_ours_are_confined() -> None:
    for path in FILES:
        for name, service in loaded(path)["services"].items():
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            if "athena" in service["image"]:
                assert service["read_only"], name


def test_nothing_listens_for_others_by_default() -> None:
    for path in FILES:
        for service in loaded(path)["services"].values():
            assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_grafana_and_prometheus_get_what_monitoring_has() -> None:
    configs = loaded(COMPOSE / "monitoring.yaml")["configs"]
    ours = yaml.safe_load((ROOT / "monitoring" / "prometheus" / "prometheus.yml").read_text())
    shipped = yaml.safe_load(configs["prometheus"]["content"])
    provisioned = ROOT / "monitoring" / "grafana" / "provisioning" / "datasources" / "prometheus.yml"
    (source,) = yaml.safe_load(configs["datasource"]["content"])["datasources"]
    (our_source,) = yaml.safe_load(provisioned.read_text())["datasources"]

    assert shipped["global"] == ours["global"]
    assert shipped["rule_files"] == ours["rule_files"]
    assert [job["job_name"] for job in shipped["scrape_configs"]] == [
        job["job_name"] for job in ours["scrape_configs"]
    ]
    assert source | {"url": ""} == our_source | {"url": ""}
