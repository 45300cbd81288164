"""What runs while the scale is measured, and what it uses."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis

from athena.store.address import socket_path
from benchmarks.harness import ROOT, Served
from tests.ports import free_port

GATE = ROOT / "benchmarks" / "abilities" / "gate"

BODY = json.dumps(
    {
        "header": {"app_id": "bench", "status": 3},
        "parameter": {"gate": {}},
        "payload": {"text": {"encoding": "utf8", "status": 3, "text": "aGVsbG8="}},
    }
).encode()


def gate_ability(folder: Path, closed: Path | None = None, **worker: int) -> Path:
    """Writes the benchmark's ability into a folder, with a file that holds its calls up and other options."""
    target = folder / "gate"
    target.mkdir()
    (target / "wrapper.py").write_text((GATE / "wrapper.py").read_text())
    options = (GATE / "ability.toml").read_text().replace('closed = ""', f'closed = "{closed or ""}"')
    lines = "".join(f"{name} = {value}\n" for name, value in worker.items())
    (target / "ability.toml").write_text(options.replace("[worker]\n", f"[worker]\n{lines}"))
    return target


def client_of(served: Served) -> "redis.Redis":
    """Returns a client of the embedded Redis."""
    return redis.Redis(unix_socket_path=str(socket_path(served.data_dir)), protocol=2, socket_timeout=60)


def redis_url(served: Served) -> str:
    """Returns the address of the embedded Redis."""
    return f"unix://{socket_path(served.data_dir)}"


@contextmanager
def more_gateways(served: Served, count: int) -> Iterator[list[tuple[str, psutil.Process]]]:
    """Starts gateways beside the one of `athena serve`; yields their URLs and processes."""
    started = []
    try:
        for _ in range(count):
            port = free_port()
            environ = {**os.environ, "ATHENA_REDIS_URL": redis_url(served), "ATHENA_PORT": str(port)}
            command = [sys.executable, "-P", "-m", "api"]
            started.append((f"http://127.0.0.1:{port}", subprocess.Popen(command, env=environ, cwd=ROOT)))
        for url, _ in started:
            wait_until(lambda url=url: is_ready(url), 60)  # type: ignore[misc]
        yield [(url, psutil.Process(process.pid)) for url, process in started]
    finally:
        for _, process in started:
            process.terminate()
            process.wait(60)


def is_ready(url: str) -> bool:
    """Whether a gateway serves."""
    with suppress(OSError, urllib.error.URLError):
        return bool(urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200)
    return False


def wait_until(holds: Callable[[], bool], timeout_s: float) -> float:
    """Waits for a condition; returns how many seconds that took.

    Raises:
        TimeoutError: it did not come true in time.
    """
    began_s = time.monotonic()
    while not holds():
        if time.monotonic() - began_s > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s")
        time.sleep(0.02)
    return time.monotonic() - began_s


def gateway_of(served: Served) -> psutil.Process:
    """Returns the gateway of `athena serve`."""
    return next(process for process in served.processes() if "api" in process.cmdline())


@dataclass(frozen=True)
class Usage:
    """What all parts had used at one moment."""

    at_s: float
    cpu_s: dict[str, float]
    commands: int

    @classmethod
    def now(cls, served: Served, client: "redis.Redis", others: Sequence[psutil.Process] = ()) -> "Usage":
        """Looks; `others` are gateways beside that of `athena serve`."""
        cpu_s = served.cpu_s()
        for process in others:
            times = process.cpu_times()
            cpu_s["gateway"] += times.user + times.system
        stats: Any = client.info("stats")
        return cls(time.monotonic(), cpu_s, int(stats["total_commands_processed"]))

    def per_second(self, before: "Usage") -> dict[str, float]:
        """Returns milliseconds of processor time a second by part, and Redis' commands a second."""
        took_s = self.at_s - before.at_s
        used = {
            f"{name}_ms_per_s": (self.cpu_s[name] - before.cpu_s[name]) / took_s * 1000
            for name in sorted(self.cpu_s)
        }
        return {**used, "redis_commands_per_s": (self.commands - before.commands) / took_s}


def script_us(client: "redis.Redis") -> tuple[int, float]:
    """Returns how many scripts ran since CONFIG RESETSTAT, and the processor time of one in microseconds."""
    stats: Any = client.info("commandstats")
    scripts = stats.get("cmdstat_evalsha", {"calls": 0, "usec_per_call": 0.0})
    return int(scripts["calls"]), float(scripts["usec_per_call"])
