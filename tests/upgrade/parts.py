"""Gateways and workers, each a process of some version."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import requests

from tests.conftest import wait_until
from tests.ports import free_port
from tests.upgrade.builds import Build

#: A machine may be busy.
START_S = 300.0
END_S = 60.0


class Part:
    """A process that is started, and ended with SIGTERM."""

    def __init__(self, build: Build, log: Path, *arguments: str) -> None:
        self.build = build
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                build.command(*arguments), env=build.environment(), stdout=output, stderr=output
            )

    def wait(self, is_ready: Callable[[], bool]) -> None:
        """Waits until a condition is true."""

        def ready() -> bool:
            assert self.process.poll() is None, f"{self.build.name} ended: {self._log.read_text()[-2000:]}"
            return is_ready()

        wait_until(ready, f"{self.build.name} is ready; see {self._log}", timeout_s=START_S)

    def end(self) -> None:
        """Ends it, which may take as long as what it runs."""
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(END_S)
        assert status in (0, -signal.SIGTERM), f"{self.build.name} ended with {status}; see {self._log}"


class GatewayPart(Part):
    """A gateway; what follows it listens on the same port."""

    def __init__(self, build: Build, redis_url: str, folder: Path, port: int = 0) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        log = folder / f"gateway-{self.port}.log"
        super().__init__(build, log, "api", "--redis", redis_url, "--port", str(self.port))
        self.wait(self._answers)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except requests.RequestException:
            return False


class WorkerPart(Part):
    """A supervisor with a worker of echo."""

    def __init__(self, build: Build, redis_url: str, log: Path) -> None:
        echo = build.folder / "abilities" / "echo"
        super().__init__(build, log, "worker", str(echo), "--redis", redis_url)
        self.wait(lambda: "workers are ready" in log.read_text(errors="replace"))
