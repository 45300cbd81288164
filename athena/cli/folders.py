"""The folders of abilities that a command is given, or finds in ./abilities."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from athena.ability.manifest import MANIFEST, Ability, load_ability
from athena.ability.misplaced import BESIDE
from athena.errors import ConfigError

#: Where folders lie that nobody names.
DEFAULT = "default: each folder in ./abilities"

#: How such an option is named.
OPTION = "--ability"


def add_folders(
    parser: argparse.ArgumentParser, text: str = "folder with a wrapper.py", default: str = DEFAULT
) -> None:
    """Adds the option that names folders.

    Args:
        parser: of the command.
        text: what a folder is named for.
        default: what is taken if none is named; "" for none.
    """
    taken = f" ({default})" if default else ""
    parser.add_argument(
        OPTION, metavar="DIR", type=Path, action="append", help=f"{text}; may be repeated{taken}"
    )


def load_folders(named: Sequence[Path] | None, remedy: str = f"{OPTION} DIR") -> list[Ability]:
    """Returns the abilities in the folders that are named, or else in those of ./abilities.

    Args:
        named: the folders.
        remedy: how a folder is named to this command.

    Raises:
        ConfigError: there are none, or one of them cannot be served.
    """
    return [load_ability(path) for path in named or _found(remedy)]


def _found(remedy: str) -> list[Path]:
    found = sorted(path.parent for path in Path("abilities").glob("*/wrapper.py"))
    if not found:
        here = Path.cwd()
        raise ConfigError(
            f"no ability: {here} has no abilities/NAME/wrapper.py; name a folder that holds one: {remedy}"
        )
    return found


def load_distinct(named: Sequence[Path] | None) -> list[Ability]:
    """Returns such abilities, no two of one name.

    Raises:
        ConfigError: there are none, two have one name, or one cannot be served.
    """
    abilities = load_folders(named)
    seen: dict[str, Ability] = {}
    for ability in abilities:
        other = seen.setdefault(ability.service_id, ability)
        if other is not ability:
            raise ConfigError(_twice(other, ability))
    return abilities


def _twice(first: Ability, second: Ability) -> str:
    if first.path == second.path:
        return f"{first.path} is named twice; leave one out"
    told = f"{second.path} and {first.path} both have the service_id {first.service_id!r}"
    for ability in (first, second):
        # A line that was added at the end of the file belongs to the table before it.
        if BESIDE in ability.config:
            return (
                f"{told}; in {ability.path / MANIFEST} {BESIDE!r} stands in [config], where the wrapper "
                "alone reads it; move the line to the head of the file, before the first [table]"
            )
    return (
        f"{told}; change one in its {MANIFEST}, or serve it as another version "
        f'beside the first: version = "v2", {BESIDE} = true'
    )
