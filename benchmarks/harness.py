"""What the measurements share: a running stack, processor time by process, medians."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil

from benchmarks.autogroup import shared_alike
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
START_TIMEOUT_S = 180


class Served:
    """A running `athena serve`."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, data_dir: Path) -> None:
        self.url = url
        self.data_dir = data_dir
        self.pid = process.pid
        self._process = psutil.Process(process.pid)

    def processes(self) -> list[psutil.Process]:
        """Returns the supervisor and all that it has started."""
        return [self._process, *self._process.children(recursive=True)]

    def threads(self, pid: int) -> list[int]:
        """Returns the threads of one of its processes."""
        return [thread.id for thread in psutil.Process(pid).threads()]

    def cpu_s(self) -> dict[str, float]:
        """Returns the processor time that each part has used so far."""
        used: dict[str, float] = {}
        for process in self.processes():
            try:
                times, name = process.cpu_times(), part_name(process.cmdline())
            except psutil.NoSuchProcess:
                # Redis rewrites its append-only file in a child, which comes and goes.
                continue
            used[name] = used.get(name, 0.0) + times.user + times.system
        return used


def part_name(command: list[str]) -> str:
    """Returns what a process is, judged by its command line."""
    marks = {"workers": "worker", "api": "gateway", "flower": "flower", "serve": "supervisor"}
    return next((name for mark, name in marks.items() if mark in command), "redis")


@contextmanager
def served(*abilities: str | Path, python: str = sys.executable, **environment: str) -> Iterator[Served]:
    """Serves shipped abilities, or those of folders, durably, with all parts.

    Args:
        abilities: names below abilities/, or folders.
        python: the interpreter that the build to be served is installed for.
        environment: what the stack gets beside the variables of this process.
    """
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder, shared_alike():
        log = Path(folder) / "log"
        command = [python, "-P", "-m", "athena", "serve", "--data", f"{folder}/data"]
        for ability in abilities:
            command += ["--ability", str(ROOT / "abilities" / ability)]
        environ = {**os.environ, **environment}
        command += ["--port", str(port), "--flower-port", str(free_port())]
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environ)
        try:
            _wait_ready(process, log)
            yield Served(process, f"http://127.0.0.1:{port}", Path(folder) / "data")
        finally:
            process.terminate()
            process.wait(60)


def _wait_ready(process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline_s = time.monotonic() + START_TIMEOUT_S
    while b"ready after" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise SystemExit(f"athena serve did not start:\n{log.read_text()}")
        time.sleep(0.1)


class WrkResult:
    """What wrk measured in one run."""

    def __init__(self, output: str) -> None:
        self.requests = int(_find(r"(\d+) requests in", output))
        self.rate = float(_find(r"Requests/sec:\s+([\d.]+)", output))
        self.p50_ms = _milliseconds(_find(r"\n +50% +(\S+)", output))
        self.p99_ms = _milliseconds(_find(r"\n +99% +(\S+)", output))
        if "Non-2xx" in output or "Socket errors" in output:
            raise SystemExit(f"requests failed:\n{output}")


def run_wrk(url: str, body: bytes, clients: int, seconds: float, script: str = "") -> WrkResult:
    """Sends a request over and over, over kept-alive connections; whole seconds are what wrk knows.

    Args:
        url: where to.
        body: of each request.
        clients: connections.
        seconds: how long.
        script: more lines of Lua, for requests that differ.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("no wrk: run scripts/install-wrk.sh")
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        (Path(folder) / "body").write_bytes(body)
        program = Path(folder) / "post.lua"
        program.write_text(
            'wrk.method = "POST"\n'
            'wrk.headers["Content-Type"] = "application/json"\n'
            f'local file = io.open("{folder}/body")\n'
            'wrk.body = file:read("*a")\n'
            "file:close()\n" + script
        )
        command = [wrk, "-t1", f"-c{clients}", f"-d{max(1, round(seconds))}s", "--latency"]
        command += ["--timeout", "60s", "-s", str(program), url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return WrkResult(done.stdout)


def cpu_us_per_request(
    before: Mapping[str, float], after: Mapping[str, float], requests: int
) -> dict[str, float]:
    """Returns the processor time that a request cost in each part, in microseconds."""
    return {name: (after[name] - before[name]) / requests * 1e6 for name in sorted(before)}


def median_of(values: list[float]) -> float:
    """Returns the median."""
    return float(median(values))


def _find(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"cannot read wrk's output:\n{text}")
    return found[1]


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60000.0}[unit]
