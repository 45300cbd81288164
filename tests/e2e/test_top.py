"""`athena top` over a running stack, in a terminal and in a pipe; Redis may go away."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterable, Iterator

import psutil
import pytest

from tests.e2e.conftest import ATHENA, ECHO, FAULTY, ROOT, Stack, serving, wait_until

pytestmark = pytest.mark.e2e

#: A machine that is busy with other tests answers late.
PATIENCE_S = 90.0

REQUEST = {
    "header": {"app_id": "shop", "status": 3},
    "parameter": {"faulty": {"mode": "raise"}},
    "payload": {"text": {"text": "aGk="}},
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with serving(tmp_path_factory.mktemp("top"), ECHO, FAULTY) as stack:
        yield stack


def top(stack: Stack, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [*ATHENA, "top", "--redis", stack.redis_url, "--every", "0.2", *arguments]
    environment = {**os.environ, "COLUMNS": "160"}
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=120)


def _if_shown(
    patterns: Iterable[str], shown: subprocess.CompletedProcess[str]
) -> subprocess.CompletedProcess[str] | None:
    found = [re.search(pattern, shown.stdout, re.MULTILINE) for pattern in patterns]
    return shown if all(found) else None


def test_picture_in_a_pipe_shows_what_failed_and_who_serves(site: Stack) -> None:
    job_id = site.submit("faulty", REQUEST)
    site.wait_state(job_id, "failed")

    # Supervisors and gateways tell once a second how they are: what has just become ready may not be told.
    worker, gateway = r"^echo\.cpu\.0@\S+ +echo +cpu +0/\d+ +serving", rf"^\S+:{site.port} +\S+ +ready "
    shown = wait_until(lambda: _if_shown((worker, gateway), top(site)), 60, "all is shown as ready")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "\x1b" not in shown.stdout
    assert re.search(rf"ago +{job_id} +faulty +failed +\d+ +RuntimeError", shown.stdout)
    assert re.search(r"1 gateway, 2 workers", shown.stdout)


def test_json_counts_what_ends_between_the_two_looks(site: Stack) -> None:
    command = [*ATHENA, "top", "--json", "--redis", site.redis_url, "--every", "5"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as looking:
        while looking.poll() is None:
            site.wait_state(site.submit("faulty", REQUEST), "failed")
        assert looking.stdout is not None
        document = json.loads(looking.stdout.read())

    [faulty] = [item for item in document["abilities"] if item["service_id"] == "faulty"]
    assert faulty["done_per_s"] == faulty["failed_per_s"] > 0
    assert faulty["slow_ms"] > 0 and faulty["slots"] > 0
    assert document["troubles"][0]["service_id"] == "faulty"


class Screen:
    """A terminal in which `athena top` draws."""

    def __init__(self, stack: Stack, *arguments: str, **environment: str) -> None:
        self.master, slave = pty.openpty()
        command = [*ATHENA, "top", "--redis", stack.redis_url, *arguments]
        own = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "160", "LINES": "50", **environment}
        self.process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=own)
        os.close(slave)
        os.set_blocking(self.master, False)
        self.text = ""

    def shows(self, words: str) -> bool:
        """Whether something was drawn since the last `clear`."""
        # Nothing to be read is one error, and nobody who writes any more is another.
        with contextlib.suppress(OSError):
            while chunk := os.read(self.master, 1 << 16):
                self.text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk.decode(errors="replace"))
        return words in self.text

    def clear(self) -> None:
        self.text = ""

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)


@pytest.fixture
def screen(site: Stack) -> Iterator[Screen]:
    screen = Screen(site, "--every", "0.2", ATHENA_REDIS_TIMEOUT_S="0.5")
    yield screen
    screen.close()


def test_terminal_is_drawn_again_and_again_and_ctrl_c_ends_it(site: Stack, screen: Screen) -> None:
    wait_until(lambda: screen.shows("echo.cpu.0@"), PATIENCE_S, "workers are drawn")
    job_id = site.submit("faulty", REQUEST)
    wait_until(lambda: screen.shows(job_id), PATIENCE_S, "a job that failed is drawn")

    screen.process.send_signal(signal.SIGINT)

    wait_until(lambda: screen.process.poll() is not None, PATIENCE_S, "it ends")
    assert screen.process.returncode == 0
    assert not screen.shows("Traceback")


def test_redis_that_is_away_is_shown_and_it_goes_on(site: Stack, screen: Screen) -> None:
    wait_until(lambda: screen.shows("echo.cpu.0@"), PATIENCE_S, "workers are drawn")
    server = site.redis_process()
    server.send_signal(signal.SIGSTOP)
    try:
        wait_until(lambda: screen.shows("Redis has not answered for"), PATIENCE_S, "the outage is drawn")
        assert screen.process.poll() is None
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            server.send_signal(signal.SIGCONT)

    def is_back() -> bool:
        screen.clear()
        wait_until(lambda: screen.shows("Gateways"), PATIENCE_S, "it draws")
        return not screen.shows("has not answered")

    wait_until(is_back, PATIENCE_S, "the outage is over")
    wait_until(lambda: site.get("/readyz").status_code == 200, PATIENCE_S, "it serves again")


def test_one_picture_of_a_redis_that_is_away_is_an_error(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("nobody")
    command = [*ATHENA, "top", "--once", "--redis", f"unix://{folder}/redis.sock"]

    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)

    assert ended.returncode == 78
    assert ended.stderr.startswith("athena: Redis does not answer") and ended.stderr.count("\n") == 1


@pytest.mark.parametrize("every", ["0", "0.1", "nan", "x", "99999"])
def test_pace_that_makes_no_sense_is_refused(every: str) -> None:
    command = [*ATHENA, "top", "--every", every]

    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)

    assert ended.returncode == 2 and "--every" in ended.stderr
