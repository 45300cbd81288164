"""Becomes a worker in the Python that its ability asks for: `-m athena.environments.launcher -m MODULE`.

Started by a supervisor in place of the worker. What pip has to install is installed here, in the time in
which a worker loads, so that nobody else waits for it.
"""

import logging
import os
import sys
from collections.abc import Sequence

from athena.ability.handover import decode_ability
from athena.environments.choice import choose
from athena.environments.shelf import open_shelf
from athena.errors import ConfigError
from athena.fleet.launch import ENVIRONMENT_PROBLEM, WorkerLaunch, WorkerReport, read_shared
from athena.runtime.process_name import name_process
from athena.settings import from_env
from athena.telemetry.log_fields import LogFields
from athena.telemetry.log_streams import open_log_streams
from athena.telemetry.logs import LogOptions, configure_logs

logger = logging.getLogger("athena.environments")

EX_CONFIG = 78


def main(words: Sequence[str]) -> int:
    """Becomes the worker; returns the exit status where there is no Python for it."""
    open_log_streams()
    settings, launch = from_env(os.environ), WorkerLaunch.from_env(os.environ)
    name_process(launch.name)
    fields = LogFields("worker", launch.service_id, launch.name)
    configure_logs(settings.log_level, LogOptions(settings.log_format, settings.log_dir, fields))
    # A copy: the worker reads it again.
    ability = decode_ability(read_shared(os.dup(launch.ability_fd)))
    shelf = open_shelf(settings, lambda text: logger.info("%s", text))
    try:
        interpreter = choose(ability, shelf, is_lenient=True)
    except ConfigError as error:
        WorkerReport(ready=False, detail=error.message).send(launch.status_fd)
        return EX_CONFIG
    environment = interpreter.environment(os.environ)
    if interpreter.problem:
        logger.warning("%s: %s", launch.service_id, interpreter.problem)
        environment[ENVIRONMENT_PROBLEM] = interpreter.problem
    os.execve(interpreter.path, interpreter.command((sys.executable, "-P", *words)), environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
