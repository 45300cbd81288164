"""A stack beside which Prometheus and Alertmanager run, as `make observe` starts them."""

import contextlib
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

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
    rules = folder / "rules"
    shutil.copytree(MONITORING / "prometheus" / "rules", rules)
    alerts = rules / "alerts.yml"
    text, count = re.subn(
        r"^( +for: )\w+$", r"\g<1>0s", alerts.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert count
    alerts.write_text(text, encoding="utf-8")
    return rules
