"""The folders of abilities that a command is given, or finds."""

import shutil
from pathlib import Path

import pytest

from athena.cli import make_parser
from athena.cli.folders import load_distinct, load_folders
from athena.errors import ConfigError

ECHO = Path(__file__).parents[3] / "abilities" / "echo"

MANY = "serve", "workers", "plan", "bundle", "example", "config"


def copied(folder: Path, *lines: str) -> Path:
    """Copies an ability, with lines at the end of its ability.toml."""
    shutil.copytree(ECHO, folder)
    manifest = folder / "ability.toml"
    manifest.write_text(manifest.read_text() + "".join(f"{line}\n" for line in lines))
    return folder


@pytest.mark.parametrize("command", MANY)
def test_commands_take_several_folders(command: str) -> None:
    more = {"bundle": ("--output", "x.tar.gz"), "example": ("echo",)}.get(command, ())

    options = make_parser().parse_args([command, *more, "--ability", "a", "--ability", "b"])

    assert options.ability == [Path("a"), Path("b")]


def test_folders_of_abilities_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copied(tmp_path / "abilities" / "echo")
    (tmp_path / "abilities" / "notes").mkdir()
    monkeypatch.chdir(tmp_path)

    assert [ability.service_id for ability in load_distinct(None)] == ["echo"]


@pytest.mark.parametrize(("remedy", "said"), [((), "--ability DIR"), (("DIR",), "one: DIR")])
def test_none_names_where_it_looked_and_how_this_command_is_told(
    remedy: tuple[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError) as raised:
        load_folders(None, *remedy)

    assert f"{tmp_path} has no abilities/NAME/wrapper.py" in raised.value.message
    assert raised.value.message.endswith(said)


def test_two_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first, second = copied(tmp_path / "first"), copied(tmp_path / "second")
    late = copied(tmp_path / "late", "beside = true")

    with pytest.raises(ConfigError, match=r'both have the service_id .* version = "v2", beside = true'):
        load_distinct([first, second])
    with pytest.raises(ConfigError, match=r"late/ability.toml 'beside' stands in \[config\].* head of the"):
        load_distinct([first, late])
    with pytest.raises(ConfigError, match=f"{first} is named twice; leave one out"):
        load_distinct([first, first])
