"""The processes that chaos happens to: a durable Redis, two hosts with a worker each, two gateways."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil
import requests

from athena.ability.manifest import load_ability
from athena.supervisor.child import describe_exit
from tests.chaos.deaths import BOTH
from tests.chaos.envelopes import LONG, envelope
from tests.chaos.island import Island, why_not
from tests.chaos.keyring import KEYRING
from tests.chaos.redis_server import RedisServer
from tests.chaos.sentinels import SentinelRedis
from tests.chaos.waiting import START_TIMEOUT_S, wait_for
from tests.ports import free_port
from tests.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
LEDGER = ROOT / "tests" / "abilities" / "ledger"

#: How long a record is kept: longer than a run, so that none may be missing.
RECORD_TTL_S = 86400.0

#: What each worker holds.
SLOTS = 16

#: How long it may take until all slots hold a job.
FILL_S = 10.0

#: Some calls of the load last longer.
GRACE_S = 5


class Host:
    """A supervisor and its children, as one machine."""

    def __init__(
        self,
        name: str,
        folder: Path,
        arguments: list[str],
        environment: dict[str, str],
        island: Island | None = None,
    ) -> None:
        self.name = name
        #: Of the version that is started.
        self.python = sys.executable
        self._island = island
        self.log_path = folder / f"{name}.log"
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self._lock = threading.Lock()
        self._is_wanted = False
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts the supervisor."""
        with self._lock:
            self._is_wanted = True
            self._spawn()

    @property
    def is_started(self) -> bool:
        """Whether it was ever started."""
        return hasattr(self, "process")

    def revive(self) -> None:
        """Starts the supervisor again if it has ended and nobody wanted that."""
        with self._lock:
            if self._is_wanted and self.process.poll() is not None:
                self._spawn()

    @property
    def end(self) -> str:
        """How the supervisor ended though nobody wanted that; "" while it lives or is not wanted."""
        with self._lock:
            status = self.process.poll() if self._is_wanted else None
        return "" if status is None else describe_exit(status)

    def _spawn(self) -> None:
        command = [self.python, "-P", "-m", "athena", *self._arguments]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                self._island.command(command) if self._island else command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _give_up(self) -> None:
        with self._lock:
            self._is_wanted = False

    def children(self, word: str) -> list[psutil.Process]:
        """Returns the supervisor's own children with a word in their command line."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children():
                with contextlib.suppress(psutil.NoSuchProcess):
                    if word in child.cmdline():
                        found.append(child)
        return found

    def incarnations(self) -> list[str]:
        """Returns those of its workers."""
        return [name for worker in self.children("workers") if (name := incarnation_of(worker))]

    def everything(self) -> list[psutil.Process]:
        """Returns the supervisor and all below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(self.process.pid)
            return [supervisor, *supervisor.children(recursive=True)]
        return []

    def kill(self) -> list[str]:
        """Ends all at once, as when the machine dies; returns the incarnations of its workers."""
        self._give_up()
        incarnations, doomed = self.incarnations(), self.everything()
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        return incarnations

    def kill_supervisor(self) -> None:
        """Ends the supervisor alone."""
        self._give_up()
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Ends it in order."""
        self._give_up()
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.kill()
            return -1

    @property
    def log(self) -> str:
        """What it has said."""
        return self.log_path.read_text(errors="replace")


def both_ledgers(folder: Path) -> tuple[Path, Path]:
    """Returns the ability `ledger`, and another for long calls, which go on side by side."""
    changes = {'"ledger"': f'"{LONG}"', "max_batch = 4": "concurrency = 4"}
    return LEDGER, ledger_with(folder, changes)


def ledger_with(folder: Path, changes: dict[str, str]) -> Path:
    """Returns the ability `ledger` in a folder of its own, with lines of its options replaced."""
    target = folder / "ledger-ability"
    target.mkdir()
    (target / "wrapper.py").write_text((LEDGER / "wrapper.py").read_text())
    options = (LEDGER / "ability.toml").read_text()
    for old, new in changes.items():
        assert old in options
        options = options.replace(old, new)
    (target / "ability.toml").write_text(options)
    return target


def incarnation_of(process: psutil.Process) -> str:
    """Returns the incarnation of a worker process; "" for any other."""
    try:
        launch = process.environ().get("ATHENA_WORKER_LAUNCH")
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
    return str(json.loads(launch)["incarnation"]) if launch else ""


class Stage:
    """Everything, wired up. Host `far` reaches Redis through a proxy, and has a network of its own if it can.

    Args:
        folder: where all files are.
        abilities: what is served.
        redis: a server as it is shipped, if it is not given.
        pythons: the interpreters of other versions.
        settings: of all processes.
    """

    def __init__(
        self,
        folder: Path,
        abilities: Sequence[Path] = (LEDGER,),
        redis: RedisServer | SentinelRedis | None = None,
        pythons: Sequence[str] = (),
        **settings: str,
    ) -> None:
        self.ledger_path = folder / "ledger"
        self.ledger_path.touch()
        self.redis = redis or RedisServer(folder)
        # Sentinels name addresses of this machine.
        self.island = None if why_not() or not self.redis.port else Island()
        self.proxy = Proxy(self.redis.port, self.island.gateway if self.island else "127.0.0.1")
        self.pythons = (sys.executable, *pythons)
        self.ports = (free_port(), free_port())
        self.urls = tuple(f"http://127.0.0.1:{port}" for port in self.ports)
        shared = {
            "LEDGER": str(self.ledger_path),
            "ATHENA_GRACE_S": str(GRACE_S),
            "ATHENA_LOG_LEVEL": "warning",
            "ATHENA_RECORD_TTL_S": f"{RECORD_TTL_S:g}",
        }
        shared.update({f"ATHENA_{name.upper()}": value for name, value in settings.items()})
        self.services = [load_ability(path).service_id for path in abilities]
        self._abilities = [item for path in abilities for item in ("--ability", str(path))]
        near = ["serve", *self._abilities, "--redis", self.redis.url, "--port", str(self.ports[0])]
        near += ["--flower-port", str(free_port()), "--data", str(folder / "data")]
        self.near = Host("near", folder, near, shared)
        self._folder, self._shared = folder, shared
        self.far: Host
        self.gateway: Host

    def start(self) -> None:
        """Starts all and waits until two workers of each ability serve through two gateways."""
        self.redis.start()
        if self.island:
            self.island.start()
        self.proxy.start()
        far_url = f"redis://{self.proxy.host}:{self.proxy.port}" if self.redis.port else self.redis.url
        far = ["workers", *self._abilities, "--redis", far_url]
        self.far = Host("far", self._folder, far, self._shared, self.island)
        gateway = ["api", "--port", str(self.ports[1]), "--redis", self.redis.url]
        self.gateway = Host("gateway", self._folder, gateway, self._shared)
        for host in (self.near, self.far, self.gateway):
            host.start()
        wait_for(self.is_up, START_TIMEOUT_S, "two workers of each ability serve through two gateways")

    @property
    def hosts(self) -> tuple[Host, ...]:
        """All of them."""
        return self.near, self.far, self.gateway

    @property
    def is_broken(self) -> bool:
        """Whether a fault keeps some host from Redis right now."""
        is_cut_off = self.island is not None and self.island.is_cut_off
        return self.redis.is_broken or self.proxy.is_broken or is_cut_off

    @property
    def one_redis(self) -> RedisServer:
        """The server, where it is one."""
        assert isinstance(self.redis, RedisServer)
        return self.redis

    def pids(self) -> dict[str, list[int]]:
        """Returns the numbers of the worker processes of each host."""
        return {host.name: [one.pid for one in host.children("workers")] for host in (self.near, self.far)}

    def is_up(self) -> bool:
        """Whether two workers of each ability serve through two gateways."""
        pages = [f"{url}/v1/abilities/{name}" for url in self.urls for name in self.services]
        try:
            counts = [
                len(requests.get(page, timeout=5, auth=KEYRING).json().get("workers", ())) for page in pages
            ]
        except (requests.RequestException, ValueError):
            return False
        return all(count == len(BOTH) for count in counts)

    def idle_slots(self) -> int:
        """Returns how many slots of the workers take no job though there are enough for all."""
        with contextlib.suppress(TimeoutError):
            wait_for(self.is_up, START_TIMEOUT_S, "two workers of each ability serve through two gateways")
        idle = {name: SLOTS for host in (self.near, self.far) for name in host.incarnations()}
        items = [
            {"service_id": name, **envelope(uuid.uuid4().hex, name, seconds=0.2)}
            for name in self.services
            for _ in range(12 * SLOTS)
        ]
        requests.post(f"{self.urls[0]}/v1/jobs", json=items, timeout=START_TIMEOUT_S, auth=KEYRING)

        def are_full() -> bool:
            for name in idle:
                held = int(self.redis.client.hlen(f"athena:inflight:{name}"))
                idle[name] = min(idle[name], max(0, SLOTS - held))
            return not any(idle.values())

        with contextlib.suppress(TimeoutError):
            wait_for(are_full, FILL_S, "every slot takes a job")
        return sum(idle.values()) + SLOTS * (len(BOTH) * len(self.services) - len(idle))

    def stop(self) -> None:
        """Ends all."""
        for host in (getattr(self, name, None) for name in ("gateway", "far", "near")):
            if host is not None and host.is_started:
                host.stop()
        self.proxy.stop()
        if self.island:
            self.island.stop()
        self.redis.kill()
