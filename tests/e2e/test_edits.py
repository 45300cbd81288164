"""An ability's folder is edited while it is served, and an operator restarts its worker."""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ATHENA, ECHO, ROOT, Stack, example, serving, tool_environment, wait_until

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

    def pinged(self) -> list[str]:
        """Returns the workers that answer Celery's own tool."""
        command = [sys.executable, "-m", "celery", "-A", "workers.celery_app", "inspect", "ping", "--json"]
        done = subprocess.run(
            command, cwd=ROOT, env=tool_environment(self.stack), capture_output=True, timeout=60, check=True
        )
        return list(json.loads(done.stdout))

    def failure(self) -> str | None:
        found: str | None = self.stack.get("/v1/abilities/echo").json()["failure"]
        return found

    def await_failure(self, expected: str | None) -> None:
        """Waits until the gateway tells of a failure, or of none; it looks about once a second."""
        wait_until(lambda: self.failure() == expected, 60, f"the gateway tells of {expected}")

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
    assert site.answers()
    site.await_failure(None)
    # A process that has ended is seen to be gone before its supervisor says so.
    wait_until(lambda: "worker echo ended" in site.stack.log, 30, "the supervisor's line")
    assert site.stack.log.count("worker echo ended") == 1
    assert site.pinged() == list(site.workers())
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
    assert site.answers()
    wait_until(lambda: (site.failure() or "").startswith(problem), 60, "the gateway shows it")

    site.toml.write_text(site.before)
    site.await_failure(None)


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
    line = wrapper.read_text().splitlines().index("        raise OSError('no licence')") + 1
    reason = f"wrapperInit raised OSError: no licence (wrapper.py:{line} in wrapperInit)"
    assert done.stderr == f"athena: {name} is not replaced, and serves on: {reason}\n"

    wait_until(
        lambda: f"{name} serves on as before: {reason}" in site.stack.log[log_before:], 60, "it is told"
    )
    assert "killed by" not in site.stack.log[log_before:]
    assert site.workers() == after and site.answers()
    site.await_failure(reason)
    assert site.told("workers", "ls")["failures"]["echo"] == reason
    wrapper.write_text(source)
    assert site.athena("workers", "restart", name, "--wait").returncode == 0
    assert site.answers()


def test_edit_by_which_a_host_is_planned_needs_a_restart_of_athena(site: Site) -> None:
    pid = site.pid()
    site.edit("workers_per_gpu = 1", "workers_per_gpu = 2")

    done = site.restart()

    assert (done.returncode, site.pid()) == (78, pid)
    assert "gpu.workers_per_gpu was changed from 1 to 2, which needs a restart of athena serve" in done.stderr
    site.toml.write_text(site.before)


def test_edit_that_does_not_load_takes_down_no_worker_of_two(tmp_path: Path) -> None:
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
        wait_until(lambda: stack.log.count("serves on as before") == 2, 60, "both were tried")

        place = f"wrapper.py:{len(source.splitlines()) + 2} in <module>"
        site.await_failure(f"{wrapper} cannot be loaded: RuntimeError: no model ({place})")
        assert site.answers()
        assert site.workers() == before

        wrapper.write_text(source)
        assert site.athena("workers", "restart", *before).returncode == 0
        wait_until(lambda: not site.workers().items() & before.items(), 60, "both were replaced")
        assert site.answers()
        site.await_failure(None)


def test_sighup_takes_no_ability_down_that_does_not_load_and_follows_cpu_workers(tmp_path: Path) -> None:
    broken, grown = tmp_path / "echo", tmp_path / "grown"
    for folder in (broken, grown):
        shutil.copytree(ECHO, folder)
    # Of a request to the other one.
    for name in ("example.json", "golden.json"):
        (grown / name).unlink()
    text = (grown / "ability.toml").read_text()
    (grown / "ability.toml").write_text(text.replace('service_id = "echo"', 'service_id = "grown"'))
    with serving(tmp_path, broken, grown) as stack:
        site = Site(broken, stack)
        before = site.workers()
        with (broken / "wrapper.py").open("a") as file:
            file.write("import no_such_module_anywhere\n")
        toml = grown / "ability.toml"
        toml.write_text(toml.read_text().replace("cpu_workers = 1", "cpu_workers = 3"))

        stack.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "all processes were replaced but 1" in stack.log, 180, "the others are")
        wait_until(lambda: len(site.workers()) == 4, 60, "there are more workers")

        after = site.workers()
        (kept,) = before.items() & after.items()
        assert kept[0].startswith("echo.")
        assert site.answers()
        wait_until(lambda: "no_such_module_anywhere" in str(site.failure()), 60, "the gateway shows it")
        assert "wrapper.py:" in str(site.failure())

        toml.write_text(toml.read_text().replace("cpu_workers = 3", "cpu_workers = 1"))
        stack.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(site.workers()) == 2, 120, "there are fewer again")
