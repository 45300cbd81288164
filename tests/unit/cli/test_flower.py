"""Who may look at Flower, and what is said of it."""

import pytest

from athena.cli.flower import flower_command, flower_environment, onlookers
from athena.errors import ConfigError
from athena.settings import Settings, from_env


def settings(**variables: str) -> Settings:
    return from_env({f"ATHENA_FLOWER_{name}": value for name, value in variables.items()})


@pytest.fixture(autouse=True)
def no_login_of_flowers_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLOWER_BASIC_AUTH", "FLOWER_AUTH"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("host", "who"),
    [
        ("127.0.0.1", "every user of this machine"),
        ("localhost", "every user of this machine"),
        ("::1", "every user of this machine"),
        ("0.0.0.0", "everybody who reaches it"),
        ("10.1.2.3", "everybody who reaches it"),
        ("monitor.example.com", "everybody who reaches it"),
    ],
)
def test_who_may_look_without_a_password_is_told(host: str, who: str) -> None:
    assert who in onlookers(settings(HOST=host))
    assert onlookers(settings(HOST=host, BASIC_AUTH="ops:a-long-one")) == ""


@pytest.mark.parametrize("name", ["FLOWER_BASIC_AUTH", "FLOWER_AUTH"])
def test_login_of_flowers_own_is_known(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "ops:a-long-one")

    assert onlookers(settings()) == ""


def test_password_stands_in_no_command_line() -> None:
    made = settings(BASIC_AUTH="ops:a-long-one,eve:another-one")

    assert flower_environment(made) == {"FLOWER_BASIC_AUTH": "ops:a-long-one,eve:another-one"}
    assert flower_environment(settings()) == {}
    assert "a-long-one" not in " ".join(flower_command(made)) + repr(made)


@pytest.mark.parametrize(
    "raw", ["ops", "ops:", "ops:short", ":a-long-one", "ops:a-long-one,eve", "ops:p\u00e4ssword1"]
)
def test_password_that_flower_cannot_compare_or_that_is_guessed_is_refused(raw: str) -> None:
    with pytest.raises(ConfigError, match="must be user:password"):
        settings(BASIC_AUTH=raw)
