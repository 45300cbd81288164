"""The servers that compete, each started, checked and stopped; processor time and memory by its parts."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from athena.store.address import socket_path
from athena.supervisor.allocator import server_environment
from athena.supervisor.embedded_redis import server_command
from athena.supervisor.redis_server import find_server
from benchmarks.harness import ROOT, part_name, served
from benchmarks.tasks import Task
from tests.ports import free_port

START_TIMEOUT_S = 120
STOP_TIMEOUT_S = 20

#: Below this share of a core a server counts as at rest.
REST_SHARE = 0.15
REST_TIMEOUT_S = 15

PEERS = ("mosec", "litserve", "bentoml", "ray", "celery")

#: Two revisions of this project, as `python -m benchmarks.builds` installs them.
BUILDS = ("old", "new")


class Contestant:
    """A running server and its processes.

    Attributes:
        is_athena: whether its root is a supervisor of ours, whose processes have names of their own.
    """

    def __init__(
        self, name: str, url: str, roots: Mapping[str, int], request: bytes, data_dir: Path | None = None
    ) -> None:
        self.name = name
        self.url = url
        self.request = request
        self.data_dir = data_dir
        self.is_athena = "supervisor" in roots
        self._roots = {part: psutil.Process(pid) for part, pid in roots.items()}

    def cpu_s(self) -> dict[str, float]:
        """Returns the processor time that each part has used so far."""
        return self._read(cpu_s_of)

    def memory_mb(self) -> dict[str, float]:
        """Returns each part's memory, shared pages divided among those that share them."""
        return self._read(pss_mb_of)

    def settle(self) -> None:
        """Waits until it is at rest: what clients left behind must not slow down the next contestant."""
        deadline_s = time.monotonic() + REST_TIMEOUT_S
        while time.monotonic() < deadline_s:
            before = sum(self.cpu_s().values())
            time.sleep(0.3)
            if sum(self.cpu_s().values()) - before < 0.3 * REST_SHARE:
                return

    def freeze(self) -> None:
        """Stops all its processes: some servers do much while they are idle."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def thaw(self) -> None:
        """Lets its processes go on."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def check(self, task: Task) -> None:
        """Sends a request and looks at the answer."""
        task.check(post(self.url, self.request))

    def _processes(self) -> Iterator[psutil.Process]:
        for root in self._roots.values():
            yield root
            yield from root.children(recursive=True)

    def _read(self, figure: Callable[[psutil.Process], float]) -> dict[str, float]:
        """Adds up a figure of the processes of each part; those that end meanwhile have none."""
        found: dict[str, float] = {}
        for part, root in self._roots.items():
            for process in [root, *root.children(recursive=True)]:
                try:
                    name = part_name(process.cmdline()) if self.is_athena else part
                    found[name] = found.get(name, 0.0) + figure(process)
                except psutil.NoSuchProcess:
                    continue
        return found


def cpu_s_of(process: psutil.Process) -> float:
    """Returns the processor time that a process has used."""
    times = process.cpu_times()
    return times.user + times.system


def pss_mb_of(process: psutil.Process) -> float:
    """Returns a process's memory, with its part of what it shares."""
    return float(process.memory_full_info().pss) / 2**20


def post(url: str, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Sends a request.

    Raises:
        SystemExit: the answer is not a success.
    """
    wanted = urllib.request.Request(url, body, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(wanted, timeout=60) as answer:
            text: bytes = answer.read()
            return text
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{url}: {error.code} {error.read()[:500]!r}") from None


@contextmanager
def contestant(name: str, task: Task) -> Iterator[Contestant]:
    """Runs a contestant, which has answered one request rightly."""
    start = {"athena": _athena, "bare": _bare, "celery": celery_peer}.get(name)
    build = _build(name, task) if name in BUILDS else None
    with build or (start(task) if start else _peer(name, task)) as started:
        started.check(task)
        yield started


@contextmanager
def _athena(task: Task) -> Iterator[Contestant]:
    with served(task.ability) as athena:
        url = f"{athena.url}/{task.service}"
        yield Contestant("athena", url, {"supervisor": athena.pid}, task.request, athena.data_dir)


@contextmanager
def _build(name: str, task: Task) -> Iterator[Contestant]:
    """Runs a build of this project that has an environment of its own, with the abilities as it had them."""
    ability = build_folder(name) / task.ability.relative_to(ROOT)
    with served(ability, python=str(build_python(name))) as athena:
        url = f"{athena.url}/{task.service}"
        yield Contestant(name, url, {"supervisor": athena.pid}, task.request, athena.data_dir)


@contextmanager
def _bare(task: Task) -> Iterator[Contestant]:
    port = free_port()
    with Started("bare") as started:
        process = started.run("server", [sys.executable, "-m", "benchmarks.bare_server", str(port)], {})
        url = f"http://127.0.0.1:{port}/"
        started.wait(lambda: _answers(url, task.request))
        yield Contestant("bare", url, {"server": process}, task.request)


@contextmanager
def _peer(name: str, task: Task) -> Iterator[Contestant]:
    port = free_port()
    request = task.request
    if name == "bentoml" and task.work == "batch":
        # Its batches are put together of lists, so each caller sends a list of one.
        request = b'{"bodies": [' + request + b"]}"
    route = "inference" if name == "mosec" else "run"
    url = f"http://127.0.0.1:{port}/{route}"
    with Started(name) as started:
        environment = {"BENCH_WORK": task.work, **processes_of(name, task), **settings_of(name, port)}
        pid = started.run("server", command_of(name, port), environment)
        started.wait(lambda: _answers(url, request))
        yield Contestant(name, url, {"server": pid}, request)


@contextmanager
def celery_peer(task: Task, has_worker: bool = True) -> Iterator[Contestant]:
    """Runs Flask, Celery and a Redis like that of `athena serve`."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/run"
    bin_dir = peer_python("celery").parent
    module = "benchmarks.peers.celery_server"
    with Started("celery") as started:
        environment = {"BENCH_WORK": task.work, "BENCH_REDIS": str(socket_path(started.folder))}
        server = find_server()
        variables = server_environment(server, os.environ, print)
        roots = {"redis": started.run("redis", server_command(server, started.folder), variables)}
        started.wait(socket_path(started.folder).exists)
        if has_worker:
            worker = [str(bin_dir / "celery"), "-A", f"{module}:celery", "worker", "--loglevel", "WARNING"]
            roots["worker"] = started.run("worker", worker, environment)
        front = [str(bin_dir / "gunicorn"), "-k", "gevent", "-w", "2", "-b", f"127.0.0.1:{port}"]
        front += ["--timeout", "120", "--keep-alive", "60", f"{module}:front"]
        roots["front"] = started.run("front", front, environment)
        header = {} if has_worker else {"Prefer": "respond-async"}
        started.wait(lambda: _answers(url, task.request, header))
        yield Contestant("celery", url, roots, task.request, started.folder)


@dataclass(frozen=True)
class _Child:
    part: str
    process: "subprocess.Popen[bytes]"


class Started:
    """Processes of one server, which end with it, whatever happens."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._children: list[_Child] = []
        self._folder = tempfile.TemporaryDirectory(prefix=f"bench-{name}-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)

    def __enter__(self) -> "Started":
        return self

    def __exit__(self, *_: object) -> None:
        for child in reversed(self._children):
            stop(child.process)
        self._folder.cleanup()

    def run(self, part: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
        """Starts a process; a key press that interrupts the benchmark does not reach it. Returns its pid."""
        own = {"HOME": str(self.folder), "TMPDIR": str(self.folder), "PYTHONPATH": str(ROOT)}
        environ = {**os.environ, **own, **environment}
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, env=environ, start_new_session=True
            )
        self._children.append(_Child(part, process))
        return process.pid

    def wait(self, is_ready: Callable[[], bool]) -> None:
        """Waits until the server is there.

        Raises:
            SystemExit: it does not come.
        """
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while not is_ready():
            ended = [child.part for child in self._children if child.process.poll() is not None]
            if ended or time.monotonic() > deadline_s:
                log = (self.folder / "log").read_text(errors="replace")[-3000:]
                raise SystemExit(f"{self._name} did not start ({ended}):\n{log}")
            time.sleep(0.1)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """Ends a process and all that it has started."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, left = psutil.wait_procs(family, 3)
    for orphan in left:
        try:
            orphan.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(left, 3)


def peer_python(name: str) -> Path:
    """Returns a peer's interpreter.

    Raises:
        SystemExit: the peer is not installed.
    """
    python = ROOT / ".bench" / name / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{name} is not installed: scripts/install-peers.sh {name}")
    return python


def build_folder(name: str) -> Path:
    """Returns where the checkout of one of BUILDS lies."""
    return ROOT / ".bench" / "builds" / name


def build_python(name: str) -> Path:
    """Returns the interpreter of one of BUILDS."""
    return build_folder(name) / ".venv" / "bin" / "python"


def command_of(name: str, port: int) -> list[str]:
    """Returns the command line of a peer that is one program."""
    python = peer_python(name)
    if name == "bentoml":
        service = "benchmarks.peers.bentoml_server:Service"
        return [str(python.parent / "bentoml"), "serve", service, "--host", "127.0.0.1", "-p", str(port)]
    return [str(python), "-m", f"benchmarks.peers.{name}_server", str(port)]


def settings_of(name: str, port: int) -> dict[str, str]:
    """Returns what a peer reads from its environment."""
    if name == "mosec":
        limits = {"MOSEC_TIMEOUT": "120000", "MOSEC_LOG_LEVEL": "warning", "MOSEC_CAPACITY": "4096"}
        return {"MOSEC_ADDRESS": "127.0.0.1", "MOSEC_PORT": str(port), **limits}
    if name == "bentoml":
        return {"BENTOML_DO_NOT_TRACK": "True"}
    if name == "ray":
        fast = {"RAY_SERVE_THROUGHPUT_OPTIMIZED": "1", "RAY_SERVE_ENABLE_HA_PROXY": "1"}
        return {**fast, "RAY_USAGE_STATS_ENABLED": "0"}
    return {}


def processes_of(name: str, task: Task) -> dict[str, str]:
    """Returns how many processes run the work, where it is not the peer's own default."""
    if task.work == "batch":
        # The model that sleeps is one model, whoever serves it.
        return {"BENCH_PROCESSES": "1"}
    # The network takes longer than what mosec does around it, so a second core pays.
    return {"BENCH_PROCESSES": "2"} if (name, task.work) == ("mosec", "digits") else {}


def _answers(url: str, request: bytes, header: Mapping[str, str] | None = None) -> bool:
    try:
        post(url, request, header)
    except (OSError, SystemExit):
        return False
    return True
