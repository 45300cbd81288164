"""How Flower is started."""

import sys

from athena.settings import Settings

#: Tasks that Flower remembers; each costs it a few kilobytes.
MAX_TASKS = 5000


def flower_command(settings: Settings) -> list[str]:
    """Returns Flower's command line; it watches the Redis of the environment."""
    return [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "workers.celery_app",
        "flower",
        "--address=127.0.0.1",
        f"--port={settings.flower_port}",
        f"--max_tasks={MAX_TASKS}",
        "--logging=warning",
    ]
