"""What processes have around them in which a command runs a wrapper."""

import os

from athena.devices.threads import thread_variables
from athena.settings import ADMIN_VARIABLES, without


def wrapper_environment(threads: int) -> dict[str, str]:
    """Returns the environment that a worker with so many threads would have."""
    environment = without(os.environ, ADMIN_VARIABLES)
    return {**environment, **thread_variables(threads, environment)}
