"""`athena config`: what is printed, and its exit status."""

import json
from pathlib import Path
from typing import Any

import pytest

from athena.cli import main

ECHO = Path(__file__).parents[2] / "abilities" / "echo"


@pytest.fixture(autouse=True)
def own_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ATHENA_PORT", "ATHENA_REDIS_URL", "ATHENA_GRACE_S"):
        monkeypatch.delenv(name, raising=False)


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["config", "--json", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def setting(document: Any, name: str) -> Any:
    [found] = [item for item in document["settings"] if item["name"] == name]
    return found


def test_settings_are_shown_with_their_sources(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATHENA_PORT", "8123")
    monkeypatch.delenv("ATHENA_CACHE_DIR")

    assert main(["config", "--changed"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["SETTING", "VALUE", "FROM", "MEANS"]
    assert "ATHENA_PORT  8123   environment  -" in lines


def test_password_of_redis_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    document = told(capsys, "--redis", "redis://:hunter2@queue.example:6380/1")

    found = setting(document, "ATHENA_REDIS_URL")
    assert (found["value"], found["source"]) == ("***", "option --redis")
    assert found["means"].startswith("redis://") and "queue.example:6380/1" in found["means"]
    assert "hunter2" not in json.dumps(document)


def test_what_defaults_amount_to_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    document = told(capsys, "--data", "place")

    assert str(tmp_path / "place" / "redis.sock") in setting(document, "ATHENA_REDIS_URL")["means"]
    assert setting(document, "ATHENA_LOG_DIR")["means"] == f"{tmp_path}/place/logs (athena serve)"
    assert setting(document, "ATHENA_ACCESS")["means"] == "open"
    assert int(setting(document, "ATHENA_REDIS_MEMORY_BYTES")["means"].split()[0]) > 0


def test_options_of_an_ability_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    options = {item["name"]: item for item in told(capsys, "--ability", str(ECHO))["abilities"]["echo"]}

    assert options["worker.slots"]["source"] == "ability.toml"
    assert main(["config", "--ability", str(ECHO), "--changed"]) == 0
    shown = capsys.readouterr().out
    assert "\necho\nOPTION" in shown and "worker.slots" in shown and " default" not in shown


def test_misspelt_variable_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATHENA_GRACE", "3")

    assert main(["config", "--json"]) == 1

    shown = capsys.readouterr()
    assert json.loads(shown.out)["unknown"] == [{"variable": "ATHENA_GRACE", "nearest": "ATHENA_GRACE_S"}]
    assert "ATHENA_GRACE is no setting, and nobody reads it; did you mean ATHENA_GRACE_S?" in shown.err


def test_value_that_cannot_be_used_is_told_as_at_the_start(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ATHENA_PORT", "0")

    assert main(["config"]) == 78
    assert capsys.readouterr().err.startswith("athena: ATHENA_PORT: '0' cannot be used")
