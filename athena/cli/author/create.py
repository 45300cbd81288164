"""`athena create`: a new ability that runs, with tests and a Dockerfile."""

import argparse
import string
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from athena import __version__
from athena.errors import ConfigError
from athena.protocol.paths import RESERVED_SERVICE_IDS, SERVICE_ID

TEMPLATE = "templates/ability"


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser("create", help="write a new ability that runs")
    parser.add_argument("name", metavar="NAME", help="its service_id, and the name of its folder")
    parser.add_argument(
        "--path", metavar="DIR", type=Path, default=Path(), help="where its folder goes (default: here)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Writes the ability's folder.

    Raises:
        ConfigError: the name cannot be used, or there is something in the folder.
    """
    folder = create_ability(options.name, options.path)
    print(f"created {folder}; next:")
    print(f"  athena check {folder}")
    print(f'  athena run {folder} --input text="hello world"')
    print(f"  athena serve --ability {folder} --reload")
    return 0


def create_ability(name: str, path: Path) -> Path:
    """Writes a folder named like the ability, and returns it.

    Raises:
        ConfigError: the name cannot be used, or there is something in the folder.
    """
    if not SERVICE_ID.fullmatch(name):
        raise ConfigError(f"{name!r} must be 1 to 64 letters, digits, '-' or '_'")
    if name.lower() in RESERVED_SERVICE_IDS:
        raise ConfigError(f"{name!r} is reserved; choose another name")
    folder = path / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already, and not empty; choose another name or --path")
    try:
        _write(resources.files("athena.cli") / TEMPLATE, folder, name)
    except OSError as error:
        raise ConfigError(f"cannot write {folder}: {error.strerror}") from None
    return folder


def _write(source: Traversable, target: Path, name: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for item in source.iterdir():
        # `pip` compiles what it installs, the template's modules too.
        if item.name == "__pycache__":
            continue
        if item.is_dir():
            _write(item, target / item.name, name)
        else:
            text = string.Template(item.read_text(encoding="utf-8")).substitute(name=name, athena=__version__)
            (target / item.name).write_text(text, encoding="utf-8")
