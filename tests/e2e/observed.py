"""A stack beside which Prometheus and Alertmanager run, as `make observe` starts them."""

import contextlib
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.alerts import MONITORING
from tests.e2e.conftest import ROOT, Stack
from tests.ports import free_port
from tests.prometheus import Prometheus, install_tools


class ObservedStack(Stack):
    """`scripts/observe.sh athena serve`."""

    before = (str(ROOT / "scripts" / "observe.sh"),)

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        port, flower_port = free_port(), free_port()
        prometheus_port, alertmanager_port = free_port(), free_port()
        self.prometheus = Prometheus(prometheus_port, alertmanager_port)
        self.folder = folder / "observe"
        environment |= {
            "ATHENA_PORT": str(port),
            "PROMETHEUS_PORT": str(prometheus_port),
            "ALERTMANAGER_PORT": str(alertmanager_port),
            "ATHENA_OBSERVE_DIR": str(self.folder),
        }
        super().__init__(folder, port, flower_port, *arguments, **environment)

    def supervisor(self) -> psutil.Process:
        """Returns the process that owns the others."""
        return self.child("serve", str(self.data_dir))

    def reload_rules(self, folder: Path) -> None:
        """Gives Prometheus other rules."""
        rules = self.folder / "prometheus" / "rules"
        shutil.rmtree(rules)
        shutil.copytree(folder, rules)
        self.child(f"--web.listen-address={self.prometheus.url.removeprefix('http://')}").send_signal(
            signal.SIGHUP
        )


@contextlib.contextmanager
def observing(folder: Path, *abilities: Path, **environment: str) -> Iterator[ObservedStack]:
    """Runs a stack that serves some abilities, and what watches it."""
    install_tools()
    arguments = [item for ability in abilities for item in ("--ability", str(ability))]
    running = ObservedStack(folder, *arguments, **environment)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def quick_rules(folder: Path) -> Path:
    """Returns the rules with alerts that fire at once, instead of after their time."""
    return quick_monitoring(folder) / "prometheus" / "rules"


def quick_monitoring(folder: Path) -> Path:
    """Returns monitoring/ with alerts that fire at once, and with a scrape and a round of rules each second.

    A minute in a queue is a second, too.
    """
    monitoring = folder / "monitoring"
    shutil.copytree(MONITORING, monitoring)
    _replace(monitoring / "prometheus/rules/alerts.yml", r"^( +for: )\w+$", r"\g<1>0s")
    _replace(monitoring / "prometheus/rules/alerts.yml", r"(athena_queue_paused\) == 1\) > )60$", r"\g<1>1")
    _replace(monitoring / "prometheus/prometheus.yml", r"^( +\w+_(?:interval|timeout): )\ds$", r"\g<1>1s")
    return monitoring


def _replace(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert count, (path, pattern)
    path.write_text(text, encoding="utf-8")
