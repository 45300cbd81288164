"""The rules of monitoring/, tried by Prometheus' own tools."""

import subprocess
from pathlib import Path

import pytest

from tests.alerts import MONITORING
from tests.prometheus import install_tools

PROMETHEUS = MONITORING / "prometheus"
RULE_TESTS = sorted(PROMETHEUS.glob("tests/*.yml"))


@pytest.fixture(scope="module")
def tools() -> Path:
    return install_tools()


def run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_configuration_and_rules_are_valid(tools: Path) -> None:
    told = run(tools / "promtool", "check", "config", PROMETHEUS / "prometheus.yml")

    assert "rules found" in told and "FAILED" not in told


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_rules_do_what_their_tests_say(tools: Path, path: Path) -> None:
    assert "SUCCESS" in run(tools / "promtool", "test", "rules", path)


def test_configuration_of_alertmanager_is_valid(tools: Path) -> None:
    told = run(tools / "amtool", "check-config", MONITORING / "alertmanager" / "alertmanager.yml")

    assert "SUCCESS" in told


def test_pages_go_to_those_who_are_paged(tools: Path) -> None:
    config = f"--config.file={MONITORING / 'alertmanager' / 'alertmanager.yml'}"

    for severity, receiver in (("page", "pages"), ("ticket", "tickets")):
        told = run(tools / "amtool", "config", "routes", "test", config, f"severity={severity}")
        assert told.split()[0] == receiver
