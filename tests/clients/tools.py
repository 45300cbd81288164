"""Load tools: each sends some thousand calls, and every one must be answered with 200."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import run_wrk
from tests.clients.clients import BUILT, build

REQUESTS = 2000
CLIENTS = 16
SECONDS = 3
TIMEOUT_S = 180

LOCUST_FILE = """
from pathlib import Path
from locust import HttpUser, task

BODY = Path({body!r}).read_bytes()


class Caller(HttpUser):
    @task
    def call(self):
        self.client.post("/echo", data=BODY, headers={{"Content-Type": "application/json"}})
"""


class ToolFailed(Exception):
    """Not all calls were answered well."""


def ab(url: str, folder: Path) -> None:
    """Apache's ab: HTTP/1.0 with kept connections."""
    command = ["ab", "-q", "-k", "-n", str(REQUESTS), "-c", str(CLIENTS), "-T", "application/json"]
    text = _run([*command, "-p", str(folder / "call.json"), f"{url}/echo"])
    # Answers differ in length, as timings do, which ab counts as failures of a kind of their own.
    failed = re.search(r"Connect: (\d+), Receive: (\d+), Length: \d+, Exceptions: (\d+)", text)
    broken = sum(map(int, failed.groups())) if failed else 0
    if f"Complete requests:      {REQUESTS}" not in text or "Non-2xx" in text or broken:
        raise ToolFailed(" ".join(text.split())[-300:])


def wrk(url: str, folder: Path) -> None:
    """wrk."""
    try:
        run_wrk(f"{url}/echo", (folder / "call.json").read_bytes(), CLIENTS, SECONDS)
    except SystemExit as error:
        raise ToolFailed(str(error)) from None


def hey(url: str, folder: Path) -> None:
    """hey, of the Go module proxy."""
    bin_dir = BUILT / "go" / "bin"
    if not (bin_dir / "hey").exists():
        build(["go", "install", "github.com/rakyll/hey@v0.1.4"], BUILT, {"GOBIN": str(bin_dir)})
    command = [str(bin_dir / "hey"), "-n", str(REQUESTS), "-c", str(CLIENTS), "-m", "POST"]
    text = _run([*command, "-T", "application/json", "-D", str(folder / "call.json"), f"{url}/echo"])
    if f"[200]\t{REQUESTS // CLIENTS * CLIENTS} responses" not in text:
        raise ToolFailed(" ".join(text.split())[-300:])


def locust(url: str, folder: Path) -> None:
    """locust without its page."""
    (folder / "locustfile.py").write_text(LOCUST_FILE.format(body=str(folder / "call.json")))
    command = [str(BUILT / "python" / "bin" / "locust"), "--headless", "--only-summary", "--host", url]
    command += ["-u", str(CLIENTS), "-r", str(CLIENTS), "-t", f"{SECONDS}s"]
    # Its own status is 1 where a request failed.
    _run([*command, "-f", str(folder / "locustfile.py")])


TOOLS: dict[str, Callable[[str, Path], None]] = {"ab": ab, "wrk": wrk, "hey": hey, "locust": locust}


def _run(command: list[str]) -> str:
    if shutil.which(command[0]) is None:
        raise ToolFailed(f"{command[0]} is not installed: run scripts/install-clients.sh")
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        raise ToolFailed(" ".join((done.stderr + done.stdout).split())[-300:])
    return done.stdout
