"""How Flower is started."""

import importlib.util
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

from athena.cli.announcer import say
from athena.runtime.listening import connect_host, is_loopback
from athena.settings import ADMIN_VARIABLES, Settings
from athena.supervisor.child import Child
from athena.supervisor.programs import CELERY_APP
from athena.supervisor.supervisor import Supervisor

#: Tasks that Flower remembers; each costs it a few kilobytes.
MAX_TASKS = 5000

#: Flower reads its options from variables as well; what we say of these comes from our settings alone.
OWN_OPTIONS = ("FLOWER_ADDRESS", "FLOWER_PORT", "FLOWER_READ_ONLY", "FLOWER_UNIX_SOCKET", "FLOWER_URL_PREFIX")

#: Flower's own variable for who may look; a command line would show it to everybody on the machine.
_PASSWORD = "FLOWER_BASIC_AUTH"

#: By these it asks for a login elsewhere, or for nothing but a password.
_LOGINS = (_PASSWORD, "FLOWER_AUTH")


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
        # Its buttons do nothing here, or end a worker behind the back of its supervisor and of the trail.
        "--read_only",
        *prefix,
    ]


def flower_environment(settings: Settings) -> dict[str, str]:
    """Returns the variables that Flower gets beside others."""
    return {_PASSWORD: settings.flower_basic_auth} if settings.flower_basic_auth else {}


def onlookers(settings: Settings) -> str:
    """Returns what to say of who may look at Flower; "" where it asks who they are."""
    if settings.flower_basic_auth or any(os.environ.get(name) for name in _LOGINS):
        return ""
    who = "every user of this machine" if is_loopback(settings.flower_host) else "everybody who reaches it"
    return f"   ({who} may look; ATHENA_FLOWER_BASIC_AUTH sets a password)"


class FlowerChild(Child):
    """Flower; nobody depends on it."""

    is_needed = False
    hidden_variables = (*ADMIN_VARIABLES, *OWN_OPTIONS)
    # Its threads ask a Redis that has gone for ever, and it waits for them before it ends.
    orphan_signal = signal.SIGKILL

    def __init__(self, settings: Settings) -> None:
        super().__init__("flower", grace_s=5)
        self._settings = settings

    def command(self) -> Sequence[str]:
        """Returns Flower's command line."""
        return flower_command(self._settings)

    def environment(self) -> Mapping[str, str]:
        """Returns its password."""
        return flower_environment(self._settings)

    def check_ready(self) -> bool:
        """Whether it listens; what it answers, and by which scheme, an operator's variables may change."""
        address = (connect_host(self._settings.flower_host), self._settings.flower_port)
        try:
            socket.create_connection(address, timeout=2).close()
        except OSError:
            return False
        return True


def add_flower(supervisor: Supervisor, settings: Settings) -> None:
    """Starts Flower beside the rest, which neither waits for it nor ends with it."""
    if not settings.flower_port:
        return
    if is_installed():
        supervisor.admit(FlowerChild(settings))
    else:
        say("Flower is not installed; everything else serves without it")
