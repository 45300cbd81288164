"""`athena example`: a request that an ability answers."""

import argparse

from athena.ability.manifest import Ability
from athena.cli.folders import add_folders, load_folders
from athena.errors import ConfigError


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser("example", help="print an ability's example request")
    parser.add_argument("service_id", help="the ability's service_id")
    add_folders(parser, "folder to look in")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the example.

    Raises:
        ConfigError: there is no such ability, or it has no example.
    """
    ability = _find(load_folders(options.ability), options.service_id)
    if not ability.example_path.exists():
        raise ConfigError(f"{ability.service_id} has no example; write one to {ability.example_path}")
    print(ability.example_path.read_text(encoding="utf-8").rstrip())
    return 0


def _find(abilities: list[Ability], service_id: str) -> Ability:
    for ability in abilities:
        if ability.service_id == service_id:
            return ability
    known = ", ".join(ability.service_id for ability in abilities)
    raise ConfigError(f"there is no ability {service_id!r} here; there are: {known}")
