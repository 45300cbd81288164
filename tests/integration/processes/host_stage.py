"""A host under supervision for tests: real processes, scripts in place of workers and driver."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from athena.ability.manifest import Ability, GpuOptions, WorkerOptions, load_ability
from athena.devices.inventory import Gpu, Inventory
from athena.fleet.host_report import HostReport
from athena.settings import from_env
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.host_workers import HostWorkers
from athena.supervisor.supervisor import Stop, Supervisor

SETTINGS = from_env(
    {"ATHENA_REDIS_URL": "unix:///nowhere/redis.sock", "ATHENA_GRACE_S": "20", "ATHENA_GPU_POLL_S": "0.01"}
)

#: A worker that is ready once no file "slow NAME" is there, and ends once no file "busy NAME" is. While there
#: is a file "bad NAME" it does not load, and while there is a file "ended NAME" it ends before that.
WORKER = """
import json, os, signal, sys, time
launch = json.loads(os.environ["ATHENA_WORKER_LAUNCH"])
asked = []
signal.signal(signal.SIGTERM, lambda number, frame: asked.append(number))
def is_marked(word):
    return os.path.exists(os.path.join(sys.argv[1], word + " " + launch["name"].partition("@")[0]))
while is_marked("slow") and not asked:
    time.sleep(0.01)
if is_marked("ended"):
    sys.exit(5)
if is_marked("bad"):
    os.write(launch["status_fd"], json.dumps({"ready": False, "detail": "no model"}).encode() + b"\\n")
    sys.exit(78)
os.write(launch["status_fd"], json.dumps({"ready": True, "detail": ""}).encode() + b"\\n")
while not asked or is_marked("busy"):
    time.sleep(0.01)
"""


class Keeper(FleetKeeper):
    """Has no Redis, and remembers what it would have told."""

    def __init__(self) -> None:
        super().__init__(SETTINGS.redis_url, SETTINGS)
        self.report = HostReport("", 0, 0, Inventory())
        self.failures: dict[str, str] = {}

    def bury(self, incarnation: str, death: object) -> None:
        pass

    def publish_host(self, name: str, document: bytes) -> None:
        self.report = HostReport.decode(document)

    def tell_failure(self, service_id: str, detail: str, is_broken: bool = False) -> None:
        self.failures[service_id] = detail

    def count_break(self, service_id: str) -> None:
        pass

    def forget_failure(self, service_id: str) -> None:
        self.failures.pop(service_id, None)


class Stage:
    """A host under supervision."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._until: Callable[[], object] = lambda: False
        #: What the supervisor has told, and what the host has.
        self.told: list[str] = []
        self._supervisor = Supervisor(self.told.append)
        self._supervisor.add_duty(self._look)
        self.keeper = Keeper()
        self.said: list[str] = []

    def __enter__(self) -> "Stage":
        self._supervisor.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for mark in self._folder.glob("busy *"):
            mark.unlink()
        self._supervisor.__exit__()

    def play(self, inventory: Inventory, *abilities: Ability) -> None:
        self.tell(inventory)
        self.host = HostWorkers(abilities, inventory, self.keeper, SETTINGS, self.said.append)
        self.host.follow(self._supervisor)
        self._supervisor.start(self.host.children, 20)

    def tell(self, inventory: Inventory) -> None:
        """Lets the driver tell something else from now on."""
        unfinished = self._folder / "inventory.new"
        unfinished.write_bytes(inventory.encode() + b"\n")
        unfinished.replace(self._folder / "inventory")

    def mark(self, word: str, name: str) -> Path:
        path = self._folder / f"{word} {name}"
        path.touch()
        return path

    def until(self, what: str, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + 20
        self._until = lambda: condition() or time.monotonic() > deadline_s
        with pytest.raises(Stop):
            self._supervisor.run()
        self._until = lambda: False
        assert condition(), f"not in time: {what}; the last was {self.states()}"

    def until_read(self) -> None:
        """Goes on until the driver was asked twice more."""
        seen: list[int] = []

        def is_read() -> bool:
            seen.append(self.keeper.report.read_ms)
            return len(set(seen)) > 2

        self.until("read", is_read)

    def until_read_once(self) -> None:
        """Goes on until the host has told once more how it is."""
        self.keeper.report = replace(self.keeper.report, read_ms=-1)
        self.until("told", lambda: self.keeper.report.read_ms != -1)

    def sighup(self) -> None:
        """Has the supervisor hear of SIGHUP."""
        os.kill(os.getpid(), signal.SIGHUP)

    def states(self) -> list[tuple[str, str]]:
        return sorted((worker.name.partition("@")[0], worker.state) for worker in self.keeper.report.workers)

    def until_states(self, *expected: str) -> None:
        wanted = sorted(tuple(item.split()) for item in expected)
        self.until(str(wanted), lambda: self.states() == wanted)

    def pids(self) -> dict[str, int]:
        return {
            child.node_name.partition("@")[0]: child.process.pid
            for child in self.host.children
            if child.process is not None
        }

    def _look(self, now_s: float) -> None:
        if self._until():
            raise Stop


def ability(name: str, *types: str, **options: Any) -> Ability:
    return Ability(Path("/abilities") / name, name, gpu=GpuOptions(types, **options), worker=WorkerOptions())


def host(count: int, *bad: int, **changes: Any) -> Inventory:
    """Returns a host with T4s, some of which are lost."""
    gpus = (
        Gpu(
            index,
            f"GPU-{index}",
            "Tesla T4",
            problem="lost" if index in bad else "",
            memory_total_mib=15360,
            memory_free_mib=15360,
        )
        for index in range(count)
    )
    return Inventory(driver="550", gpus=tuple(replace(gpu, **changes) for gpu in gpus))


def folder(path: Path, toml: str = "") -> Ability:
    """Returns an ability whose folder is there."""
    path.mkdir()
    (path / "wrapper.py").touch()
    (path / "ability.toml").write_text(toml)
    return load_ability(path)
