"""The original loader's aiges.toml beside a wrapper."""

from pathlib import Path
from typing import Any

import pytest

from athena.ability.declaration import declare
from athena.ability.manifest import load_ability
from athena.errors import ConfigError
from athena.jobs.intake import prepare_job
from athena.protocol.envelope import new_job_id

AIGES = """
[svcName]
port = 5090

[aiges]
headerPass = "uid;did; scene"

[wrapper]
common.lic = 10
log.level = "info"
verbose = true
"http_listen" = "0.0.0.0:1888"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / "wrapper.py").write_text("def wrapperOnceExec(a, b, c, d, e, f): return 0\n")
    return folder


def test_the_section_wrapper_is_the_config(folder: Path) -> None:
    (folder / "aiges.toml").write_text(AIGES)

    ability = load_ability(folder)

    assert ability.config == {
        "common.lic": "10",
        "log.level": "info",
        "verbose": "true",
        "http_listen": "0.0.0.0:1888",
    }
    assert ability.header_params == ("uid", "did", "scene")


def test_a_file_of_the_users_takes_its_place(folder: Path) -> None:
    (folder / "aiges.toml").write_text('[aiges]\nusrCfg = "mine.toml"\n[wrapper]\na = 1\n')
    (folder / "mine.toml").write_text('[model]\nname = "m"\n[model.deep]\nx = 0.5\n[gpu]\nids = [1, 2]\n')

    assert load_ability(folder).config == {"model.name": "m", "model.deep.x": "0.5", "gpu.ids": "[1, 2]"}


def test_ability_toml_counts_more(folder: Path) -> None:
    (folder / "aiges.toml").write_text(AIGES)
    (folder / "ability.toml").write_text('header_params = ["mac"]\n[config]\n"common.lic" = 3\n')

    ability = load_ability(folder)

    assert ability.config["common.lic"] == "3"
    assert ability.config["log.level"] == "info"
    assert ability.header_params == ("mac",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[aiges", "aiges.toml"),
        ("wrapper = 3", r"\[wrapper\]"),
        ('[aiges]\nusrCfg = "none.toml"', "none.toml"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(folder: Path, text: str, message: str) -> None:
    (folder / "aiges.toml").write_text(text)

    with pytest.raises(ConfigError, match=message):
        load_ability(folder)


@pytest.mark.parametrize("value", ['"uid"', "[1]"])
def test_header_params_are_a_list_of_texts(folder: Path, value: str) -> None:
    (folder / "ability.toml").write_text(f"header_params = {value}\n")

    with pytest.raises(ConfigError, match="header_params must be a list of texts"):
        load_ability(folder)


def test_members_of_the_header_become_parameters_unless_they_are_set(folder: Path) -> None:
    (folder / "ability.toml").write_text('header_params = ["uid", "mac", "scene"]\n')
    interface = declare(load_ability(folder), None)
    request: dict[str, Any] = {
        "header": {"app_id": "a", "status": 3, "uid": "u", "mac": "m", "scene": None},
        "parameter": {"old": {"mac": "mine"}},
        "payload": {},
    }

    message, _ = prepare_job(new_job_id(), interface, request, 0)

    assert message.params == {"uid": "u", "mac": "mine"}
