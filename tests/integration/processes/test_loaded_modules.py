"""What a worker loads beside a wrapper."""

import subprocess
import sys

from athena.ability.neighbours import LOADED


def test_all_that_a_worker_loads_is_known() -> None:
    script = (
        "import sys, workers.process, workers.consumer.pool, workers.consumer.consumer, celery.apps.worker\n"
        "print(*{name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names))"
    )

    listed = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)

    loaded = {name for name in listed.stdout.split() if not name.startswith("_") and name.islower()}
    # The second is a file of Debian's.
    assert loaded - LOADED <= {"cython_runtime", "sitecustomize"}


def test_commands_load_what_draws_only_to_draw() -> None:
    script = "import sys, athena.cli\nathena.cli.make_parser()\nprint('rich' in sys.modules)"

    told = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)

    assert told.stdout == "False\n"
