"""An ability's folder is edited while it is served, and an operator restarts its worker."""

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ATHENA, ECHO, ROOT, Stack, example, serving, wait_until

pytestmark = pytest.mark.e2e


class Site:
    """A stack that serves a copy of echo."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.toml = folder / "ability.toml"
        self.stack = stack
        self.before = self.toml.read_text()

    def athena(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*ATHENA, *arguments, "--redis", self.stack.redis_url]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    def told(self, *arguments: str) -> Any:
        done = self.athena(*arguments, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        return json.loads(done.stdout)

    def edit(self, old: str, new: str) -> None:
        assert old in self.before
        self.toml.write_text(self.before.replace(old, new))

    def workers(self) -> dict[str, str]:
        """Returns the workers that serve: name -> incarnation."""
        entries = [worker["entry"] for worker in self.told("workers", "ls")["workers"]]
        return {entry["name"]: entry["incarnation"] for entry in entries}

    def restart(self) -> subprocess.CompletedProcess[str]:
        (worker,) = self.told("workers", "ls")["workers"]
        return self.athena("workers", "restart", worker["entry"]["name"])

    def pid(self) -> int:
        """Returns the worker's process, once there is one that serves."""

        def serving_pid() -> int:
            workers = self.told("workers", "ls")["workers"]
            children = self.stack.children("-m", "workers")
            return int(children[0].pid) if len(workers) == len(children) == 1 else 0

        return int(wait_until(serving_pid, 60, "a worker serves"))

    def await_other(self, pid: int) -> None:
        wait_until(lambda: self.pid() != pid, 60, "another process serves")

    def failure(self) -> str | None:
        found: str | None = self.stack.get("/v1/abilities/echo").json()["failure"]
        return found

    def answers(self) -> bool:
        return self.stack.post("/echo", example("echo")).status_code == 200


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("edited") / "echo"
    shutil.copytree(ECHO, folder)
    with serving(tmp_path_factory.mktemp("site"), folder) as stack:
        yield Site(folder, stack)


def test_restart_takes_an_edit_in(site: Site) -> None:
    pid = site.pid()
    site.edit("max_batch = 1", "max_batch = 8")

    done = site.restart()
    site.await_other(pid)

    assert (done.returncode, done.stderr) == (0, "")
    assert site.answers() and site.failure() is None
    assert site.stack.log.count("worker echo ended") == 1
    site.toml.write_text(site.before)


def test_broken_edit_takes_nothing_down(site: Site) -> None:
    pid, log_before = site.pid(), len(site.stack.log)
    site.edit("max_batch = 1", "max_batches = 8")
    problem = f"{site.toml}: unknown key worker.max_batches; known are "

    done = site.restart()

    assert (done.returncode, done.stderr.count("\n")) == (78, 1)
    assert done.stderr.startswith(f"athena: echo is not restarted: {problem}")
    assert site.pid() == pid and site.answers()
    wait_until(lambda: (site.failure() or "").startswith(problem), 60, "the gateway shows it")
    assert site.told("workers", "ls")["failures"]["echo"].startswith(problem)
    assert f"echo: {problem}" in site.athena("workers", "ls").stdout

    site.stack.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "replaced but 1, which go on" in site.stack.log[log_before:], 120, "the others are")
    assert site.pid() == pid

    site.stack.child("-m", "workers").kill()
    site.await_other(pid)
    assert f"worker echo starts with what was read before: {problem}" in site.stack.log
    assert site.answers() and (site.failure() or "").startswith(problem)

    site.toml.write_text(site.before)
    wait_until(lambda: site.failure() is None, 60, "it is seen that the folder was mended")


def test_who_waits_for_a_restart_hears_when_another_process_serves_and_why_none_does(site: Site) -> None:
    wrapper = site.toml.parent / "wrapper.py"
    source, before = wrapper.read_text(), site.workers()
    assert "return 0" in source.partition("def wrapperInit")[2].partition("def ")[0]

    done = site.athena("workers", "restart", *before, "--wait")

    assert (done.returncode, done.stderr) == (0, "")
    after = site.workers()
    assert after.keys() == before.keys() and not set(after.values()) & set(before.values())
    assert site.answers()

    wrapper.write_text(source.replace("        return 0\n", "        raise OSError('no licence')\n", 1))
    log_before = len(site.stack.log)
    done = site.athena("workers", "restart", *after, "--wait")
    assert done.returncode == 78
    (name,) = after
    assert done.stderr.startswith(
        f"athena: {name} does not serve again: wrapperInit raised OSError: no licence"
    )

    wait_until(
        lambda: "worker echo ended (it could not start)" in site.stack.log[log_before:], 60, "it is told"
    )
    assert "killed by" not in site.stack.log[log_before:]
    wrapper.write_text(source)
    assert site.athena("workers", "restart", name, "--wait").returncode == 0
    assert site.answers()


def test_edit_by_which_a_host_is_planned_needs_a_restart_of_athena(site: Site) -> None:
    pid = site.pid()
    site.edit("cpu_workers = 1", "cpu_workers = 2")

    done = site.restart()

    assert (done.returncode, site.pid()) == (78, pid)
    assert "worker.cpu_workers was changed from 1 to 2, which needs a restart of athena serve" in done.stderr
    site.toml.write_text(site.before)


def test_edit_that_does_not_load_takes_down_one_worker_of_two(tmp_path: Path) -> None:
    folder = tmp_path / "echo"
    shutil.copytree(ECHO, folder)
    toml, wrapper = folder / "ability.toml", folder / "wrapper.py"
    toml.write_text(toml.read_text().replace("cpu_workers = 1", "cpu_workers = 2"))
    source = wrapper.read_text()
    with serving(tmp_path, folder) as stack:
        site = Site(folder, stack)
        before = site.workers()
        wrapper.write_text(f'{source}\nraise RuntimeError("no model")\n')

        site.athena("workers", "restart", *before)
        wait_until(lambda: "no model" in (site.failure() or ""), 60, "the first one failed")
        left = site.workers()
        (waiting,) = left

        assert site.answers()
        assert before.items() > left.items()
        assert [worker["order"] for worker in site.told("workers", "ls")["workers"]] == ["restart"]

        wrapper.write_text(source)
        assert site.athena("workers", "restart", *(before.keys() - left.keys())).returncode == 0
        wait_until(lambda: len(site.workers().items() - before.items()) == 2, 60, "both were replaced")
        assert site.workers()[waiting] != before[waiting]
        assert site.answers()
