"""`athena install`: what abilities ask for is installed before anybody waits for it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from athena.ability.manifest import Ability
from athena.cli.author.surroundings import wrapper_interpreter
from athena.cli.folders import DEFAULT, load_folders
from athena.errors import ConfigError

#: Exit status when one of several could not be installed.
EX_FAILED = 1


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "install",
        help="install the packages that abilities ask for",
        description="Makes the environments of abilities whose ability.toml says worker.requirements, so "
        "that no worker waits for pip when it starts, and says which Python each ability runs in.",
    )
    parser.add_argument(
        "ability",
        metavar="DIR",
        type=Path,
        nargs="*",
        help=f"folder with a wrapper.py ({DEFAULT})",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Installs; returns 1 if one of them cannot be.

    Raises:
        ConfigError: a folder is no ability.
    """
    return EX_FAILED if _install(load_folders(options.ability, "DIR")) else 0


def _install(abilities: Sequence[Ability]) -> int:
    """Returns how many could not be."""
    failures = 0
    for ability in abilities:
        try:
            interpreter = wrapper_interpreter(ability)
        except ConfigError as error:
            failures += 1
            print(f"athena: {ability.service_id}: {error.message}", file=sys.stderr)
            continue
        print(f"{ability.service_id} runs in {interpreter.path}")
    return failures
