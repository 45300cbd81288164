"""Where the options of an ability come from."""

from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from athena.ability.manifest import load_ability
from athena.ability.origins import option_origins
from athena.errors import ConfigError

MANIFEST = """
description = "reads"

[worker]
slots = 8

[config]
model = "s3://bot:hunter2@store/model"
api_token = "hunter3"
threads = 4

[config.deep]
Password = "hunter4"
"""

UPSTREAM = """
[aiges]
headerPass = "uid"

[wrapper]
model = "other"
lang = "en"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "words"
    path.mkdir()
    (path / "wrapper.py").write_text('class Wrapper:\n    serviceId = "words"\n    version = "v7"\n')
    return path


def sources(folder: Path) -> dict[str, tuple[str, str]]:
    _, items = option_origins(folder)
    return {item.name: (item.value, item.source) for item in items}


def test_option_comes_from_the_file_that_says_it(folder: Path) -> None:
    (folder / "ability.toml").write_text(MANIFEST)
    (folder / "aiges.toml").write_text(UPSTREAM)

    found = sources(folder)

    assert found["description"] == ("reads", "ability.toml")
    assert found["worker.slots"] == ("8", "ability.toml")
    assert found["worker.max_batch"] == ("1", "default")
    assert found["gpu.fallback"] == ("true", "default")
    assert found["service_id"] == ("words", "default")
    assert found["version"] == ("v7", "wrapper.py")
    assert found["header_params"] == ("uid", "aiges.toml")
    assert found["config.lang"] == ("en", "aiges.toml")
    assert found["config.threads"] == ("4", "ability.toml")


def test_what_may_be_a_login_is_masked(folder: Path) -> None:
    (folder / "ability.toml").write_text(MANIFEST)

    found = sources(folder)

    assert "hunter" not in str(found)
    assert found["config.api_token"] == ("***", "ability.toml")
    assert found["config.deep.Password"] == ("***", "ability.toml")
    assert found["config.model"] == ("s3://***@store/model", "ability.toml")


def test_every_option_is_told(folder: Path) -> None:
    ability = load_ability(folder)
    wanted = {
        f"{item.name}.{part.name}"
        for item in fields(ability)
        if is_dataclass(getattr(ability, item.name))
        for part in fields(getattr(ability, item.name))
    }
    wanted |= {item.name for item in fields(ability) if not is_dataclass(getattr(ability, item.name))}

    assert sources(folder).keys() == wanted - {"path", "config"}
    assert {source for _, source in sources(folder).values()} == {"default", "wrapper.py"}


def test_wrong_value_is_refused_as_at_the_start(folder: Path) -> None:
    (folder / "ability.toml").write_text("[worker]\nslots = 0\n")

    with pytest.raises(ConfigError, match=r"worker.slots must be above 0"):
        option_origins(folder)
