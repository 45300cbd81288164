"""The programs that are started by name. Nobody else names a program of `api` or `workers`.

They are programs of their own so that what a wrapper or a driver does ends with them, and so that who starts
them need not load what they load.
"""

import sys
from collections.abc import Sequence

#: What `celery -A` and Flower load.
CELERY_APP = "workers.celery_app"


# -P: the folder in which somebody starts Athena must not take the place of a package.
_PYTHON = (sys.executable, "-P")

#: Becomes the program of a worker in the Python that its ability asks for.
LAUNCHER = (*_PYTHON, "-m", "athena.environments.launcher")

GATEWAY = (*_PYTHON, "-m", "api")
WORKER = (*_PYTHON, "-m", "workers")

#: Reads NVIDIA's driver, which may hang.
GPU_DRIVER = (*_PYTHON, "-m", "athena.devices.driver")

#: Watches the files of abilities.
EDITS = (*_PYTHON, "-m", "athena.supervisor.succession.edits")

CHECK = (*_PYTHON, "-m", "workers.tools.check")
DESCRIBE = (*_PYTHON, "-m", "workers.tools.describe")
RUN_ONCE = (*_PYTHON, "-m", "workers.tools.run_once")
TRIAL = (*_PYTHON, "-m", "workers.tools.trial")


def launched(program: Sequence[str]) -> tuple[str, ...]:
    """Returns the command line that runs a program in the Python that its ability asks for."""
    return (*LAUNCHER, *program[len(_PYTHON) :])
