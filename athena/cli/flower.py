"""How Flower is started."""

import importlib.util
import sys

from athena.settings import Settings
from athena.supervisor.programs import CELERY_APP

#: Tasks that Flower remembers; each costs it a few kilobytes.
MAX_TASKS = 5000

#: Flower reads its options from variables as well; what we say of these comes from our settings alone.
OWN_OPTIONS = ("FLOWER_ADDRESS", "FLOWER_PORT", "FLOWER_UNIX_SOCKET", "FLOWER_URL_PREFIX")


def is_installed() -> bool:
    """Whether there is a Flower."""
    return importlib.util.find_spec("flower") is not None


def flower_command(settings: Settings) -> list[str]:
    """Returns Flower's command line; it watches the Redis of the environment."""
    prefix = [f"--url_prefix={settings.flower_url_prefix}"] if settings.flower_url_prefix else []
    return [
        sys.executable,
        "-m",
        "celery",
        "-A",
        CELERY_APP,
        "flower",
        f"--address={settings.flower_host}",
        f"--port={settings.flower_port}",
        f"--max_tasks={MAX_TASKS}",
        "--logging=warning",
        *prefix,
    ]
