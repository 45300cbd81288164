"""The processes that chaos happens to: a durable Redis, two hosts with a worker each, two gateways."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import redis
import requests

from athena.redis_server import find_server
from tests.proxy import Proxy

ROOT = Path(__file__).resolve().parents[2]
LEDGER = ROOT / "tests" / "abilities" / "ledger"
ATHENA = [sys.executable, "-P", "-m", "athena"]
START_TIMEOUT_S = 120.0


def free_port() -> int:
    """Returns a port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(holds: Callable[[], Any], timeout_s: float, what: str) -> float:
    """Waits for a condition; returns how many seconds that took.

    Raises:
        TimeoutError: it did not come true in time.
    """
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.02)
    return time.monotonic() - began_s


class RedisServer:
    """A Redis that loses nothing that it has acknowledged, and can be killed and started again."""

    def __init__(self, folder: Path, appendfsync: str = "always") -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        options = {
            "port": str(self.port),
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": str(folder / "redis.log"),
        }
        self._command = [str(find_server().path)]
        for name, value in options.items():
            self._command += [f"--{name}", value]
        self.client = redis.Redis.from_url(self.url, protocol=2, socket_timeout=5)
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it and waits until it answers."""
        self.process = subprocess.Popen(self._command)
        wait_for(self.answers, START_TIMEOUT_S, "Redis answers")

    def answers(self) -> bool:
        """Whether it is there; not while it reads its file."""
        try:
            return bool(self.client.ping())
        except (redis.RedisError, OSError):
            return False

    def kill(self) -> None:
        """Ends it without a word."""
        self.process.kill()
        self.process.wait()


class Host:
    """A supervisor and its children, as one machine."""

    def __init__(self, name: str, folder: Path, arguments: list[str], environment: dict[str, str]) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._arguments = arguments
        self._environment = {**os.environ, **environment}
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts the supervisor."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*ATHENA, *self._arguments],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def children(self, word: str = "") -> list[psutil.Process]:
        """Returns the processes below the supervisor, those with a word in their command line."""
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if not word or word in child.cmdline():
                        found.append(child)
        return found

    def everything(self) -> list[psutil.Process]:
        """Returns the supervisor and all below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [psutil.Process(self.process.pid), *self.children()]
        return []

    def kill(self) -> list[str]:
        """Ends all at once, as when the machine dies; returns the incarnations of its workers."""
        doomed = self.everything()
        incarnations = [name for child in doomed if (name := incarnation_of(child))]
        for process in doomed:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()
        return incarnations

    def stop(self) -> int:
        """Ends it in order."""
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
    """Everything, wired up. Host `far` reaches Redis through a proxy."""

    def __init__(self, folder: Path, ability: Path = LEDGER, **settings: str) -> None:
        self.ledger_path = folder / "ledger"
        self.ledger_path.touch()
        self.redis = RedisServer(folder)
        self.proxy = Proxy(self.redis.port)
        self.ports = (free_port(), free_port())
        self.urls = tuple(f"http://127.0.0.1:{port}" for port in self.ports)
        shared = {"LEDGER": str(self.ledger_path), "ATHENA_GRACE_S": "20", "ATHENA_LOG_LEVEL": "warning"}
        shared.update({f"ATHENA_{name.upper()}": value for name, value in settings.items()})
        near = ["serve", "--ability", str(ability), "--redis", self.redis.url, "--port", str(self.ports[0])]
        near += ["--flower-port", str(free_port()), "--data", str(folder / "data")]
        self.near = Host("near", folder, near, shared)
        self._folder, self._ability, self._shared = folder, ability, shared
        self.far: Host
        self.gateway: Host

    def start(self) -> None:
        """Starts all and waits until two workers serve through two gateways."""
        self.redis.start()
        self.proxy.start()
        far_url = f"redis://127.0.0.1:{self.proxy.port}"
        self.far = Host("far", self._folder, ["worker", str(self._ability), "--redis", far_url], self._shared)
        gateway = ["api", "--port", str(self.ports[1]), "--redis", self.redis.url]
        self.gateway = Host("gateway", self._folder, gateway, self._shared)
        for host in (self.near, self.far, self.gateway):
            host.start()
        wait_for(self.is_up, START_TIMEOUT_S, "two workers serve through two gateways")

    def is_up(self) -> bool:
        """Whether two workers serve through two gateways."""
        try:
            counts = [
                len(requests.get(f"{url}/v1/abilities/ledger", timeout=5).json().get("workers", ()))
                for url in self.urls
            ]
        except (requests.RequestException, ValueError):
            return False
        return counts == [2, 2]

    def stop(self) -> None:
        """Ends all."""
        for host in (self.gateway, self.far, self.near):
            host.stop()
        self.proxy.stop()
        self.redis.kill()
