"""What processes have around them in which a command runs a wrapper."""

import os
import sys

from athena.ability.manifest import Ability
from athena.devices.threads import thread_variables
from athena.environments.choice import choose
from athena.environments.interpreter import Interpreter
from athena.environments.shelf import open_shelf
from athena.settings import ADMIN_VARIABLES, from_env, without


def wrapper_environment(threads: int) -> dict[str, str]:
    """Returns the environment that a worker with so many threads would have."""
    environment = without(os.environ, ADMIN_VARIABLES)
    return {**environment, **thread_variables(threads, environment)}


def wrapper_interpreter(ability: Ability) -> Interpreter:
    """Returns the Python that a worker would have; packages that are missing are installed first.

    Raises:
        ConfigError: there is none.
    """
    return choose(ability, open_shelf(from_env(os.environ), _say))


def _say(text: str) -> None:
    print(f"athena: {text}", file=sys.stderr)
