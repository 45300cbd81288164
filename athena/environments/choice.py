"""Which Python an ability runs in: Athena's own, one that its author keeps, or one that is made for it."""

import sys
from dataclasses import replace
from pathlib import Path

from athena import __version__
from athena.ability.manifest import Ability
from athena.environments.interpreter import Interpreter, look_at, own_abi, own_folders, own_interpreter
from athena.environments.packages import DISTRIBUTION, misfits, packages_of
from athena.environments.requirements import read_requirements
from athena.environments.shelf import Shelf
from athena.errors import ConfigError


def choose(ability: Ability, shelf: Shelf, is_lenient: bool = False) -> Interpreter:
    """Returns the Python that an ability runs in; an environment that is missing is made.

    Args:
        ability: whose.
        shelf: where environments are kept.
        is_lenient: whether the environment before does, where the present one cannot be made.

    Raises:
        ConfigError: there is none; the message names the file and the remedy.
    """
    if ability.worker.python:
        return _named(ability)
    if not ability.worker.requirements:
        return own_interpreter()
    try:
        return _made(ability, shelf)
    except ConfigError as error:
        before = _before(ability, shelf) if is_lenient else None
        if before is None:
            raise
        return replace(before, problem=f"{error.message}; it runs with the packages that it had before")


def named_python(ability: Ability) -> Path:
    """Returns the Python that `worker.python` names; a relative path begins in the ability's folder."""
    # Not resolved: an environment is known by where its link lies.
    return ability.path / ability.worker.python


def _named(ability: Ability) -> Interpreter:
    python = named_python(ability)
    place = f"{ability.path / 'ability.toml'}: worker.python"
    if python.is_dir():
        inner = Path(ability.worker.python) / "bin" / "python"
        raise ConfigError(f'{place}: {python} is a folder; name the Python in it: python = "{inner}"')
    if not python.is_file():
        if python.parent.name != "bin" or len(Path(ability.worker.python).parts) < 3:
            raise ConfigError(
                f"{place}: {python} is not there; name the Python of an environment, "
                "such as .venv/bin/python, from the ability's folder on"
            )
        environment = python.parent.parent
        raise ConfigError(
            f"{place}: {python} is not there; make it: {_python_name()} -m venv {environment} && "
            f"{environment}/bin/pip install -r {ability.path / 'requirements.txt'}"
        )
    try:
        return usable(python)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error.message}") from None


def _made(ability: Ability, shelf: Shelf) -> Interpreter:
    requirements = read_requirements(ability.path)
    # An image or a server that has all of it needs no second copy, and no network.
    if requirements.are_met():
        return own_interpreter()

    def check(python: Path) -> None:
        try:
            usable(python)
        except ConfigError as error:
            raise ConfigError(f"{requirements.path}: {error.message}") from None

    return Interpreter(str(shelf.take(ability.service_id, requirements, check)), own_folders())


def _before(ability: Ability, shelf: Shelf) -> Interpreter | None:
    python = shelf.last(ability.service_id)
    try:
        return usable(python) if python is not None else None
    except ConfigError:
        return None


def usable(python: Path) -> Interpreter:
    """Returns a Python with what Athena brings into it.

    Raises:
        ConfigError: Athena does not run in it.
    """
    found = look_at(python)
    own = found.packages.get(DISTRIBUTION, ("", []))[0]
    if own and own != __version__:
        raise ConfigError(
            f"{python} has an {DISTRIBUTION} of its own, {own}, and {__version__} serves it; uninstall it "
            f"there, or install {__version__}"
        )
    if found.abi != own_abi():
        if own:
            return Interpreter(str(python))
        raise ConfigError(
            f"{python} is Python {found.version} ({found.abi or 'unknown'}), and Athena runs in "
            f"{sys.version.split()[0]} ({own_abi()}); make the environment with {_python_name()}, or install "
            f"{DISTRIBUTION} {__version__} into it"
        )
    wrong = sorted(set(misfits(packages_of(found.packages))) - set(misfits()))
    if wrong:
        raise ConfigError(
            f"Athena does not work with these packages: {'; '.join(wrong)}; take other versions"
        )
    return Interpreter(str(python), own_folders())


def _python_name() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
