"""The way from one version to another, and back: one process after the other, while requests come."""

import time
from collections.abc import Callable
from pathlib import Path

from tests.upgrade.builds import Build
from tests.upgrade.parts import GatewayPart, WorkerPart
from tests.upgrade.rotation import Rotation

Say = Callable[[str], None]


class Fleet:
    """Two gateways and two workers."""

    def __init__(self, build: Build, redis_url: str, folder: Path, say: Say, rest_s: float) -> None:
        self.rotation = Rotation()
        self._redis_url = redis_url
        self._folder = folder
        self._say = say
        self._rest_s = rest_s
        self._started = 0
        self.workers = [self._worker(build) for _ in range(2)]
        self.gateways = [GatewayPart(build, redis_url, folder) for _ in range(2)]
        for gateway in self.gateways:
            self.rotation.put_in(gateway.url)

    def upgrade(self, build: Build) -> None:
        """Workers first: they read what gateways of both versions write."""
        self.replace_workers(build)
        self.replace_gateways(build)

    def go_back(self, build: Build) -> None:
        """Gateways first: none writes any more what older workers do not read."""
        self.replace_gateways(build)
        self.replace_workers(build)

    def replace_workers(self, build: Build) -> None:
        """One after the other; each serves before the one before is ended."""
        for number, old in enumerate(self.workers):
            self.workers[number] = self._worker(build)
            old.end()
            self._rest(f"worker {number + 1} is of {build.name}")

    def replace_gateways(self, build: Build) -> None:
        """One after the other; each is taken out of the rotation before it is ended."""
        for number, old in enumerate(self.gateways):
            self.rotation.take_out(old.url)
            old.end()
            self.gateways[number] = GatewayPart(build, self._redis_url, self._folder, old.port)
            self.rotation.put_in(old.url)
            self._rest(f"gateway {number + 1} is of {build.name}")

    def kill(self) -> None:
        """Leaves nothing behind."""
        for part in (*self.gateways, *self.workers):
            if part.process.poll() is None:
                part.end()

    def _worker(self, build: Build) -> WorkerPart:
        self._started += 1
        return WorkerPart(build, self._redis_url, self._folder / f"worker-{self._started}.log")

    def _rest(self, what: str) -> None:
        self._say(what)
        time.sleep(self._rest_s)
