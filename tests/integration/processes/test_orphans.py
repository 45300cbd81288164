"""What children of a supervisor leave behind, with real processes in sessions of their own."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from athena.supervisor import orphans
from athena.supervisor import supervisor as module
from athena.supervisor.child import Child
from athena.supervisor.supervisor import Stop, Supervisor

#: What every script begins with: a process writes its number into a file and stays, whatever SIGTERM says.
OPENING = """
import os, signal, sys, time
def note(name):
    with open("new." + name, "w") as file: file.write(str(os.getpid()))
    os.rename("new." + name, name)
def fork(run, *given):
    pid = os.fork()
    if pid == 0:
        run(*given)
        os._exit(0)
    return pid
def stay(name):
    note(name); time.sleep(600)
def stubborn(name):
    signal.signal(signal.SIGTERM, signal.SIG_IGN); stay(name)
def apart(run, *given):
    os.setsid(); run(*given)
def unmarked(name):
    code = f"import os, time; os.rename({name!r} + '.pid', {name!r}); time.sleep(600)"
    with open(name + ".pid", "w") as file: file.write(str(os.getpid()))
    os.execve(sys.executable, [sys.executable, "-I", "-S", "-c", code], {})
def daemon(run, *given):
    os.waitpid(fork(apart, fork, run, *given), 0)
"""

SERVE = "\nnote('ready'); time.sleep(600)"


class Parent(Child):
    """Runs one Python script after the other in a folder of its own, the last one again and again."""

    runs_foreign_code = True

    def __init__(self, folder: Path, name: str, *scripts: str) -> None:
        super().__init__(name, grace_s=5)
        self.folder = folder / name
        self.folder.mkdir()
        self._scripts = scripts
        self.spawned = 0
        #: What was there of those left behind when the next process was started.
        self.alive_at_spawn: list[int] = []

    def command(self) -> Sequence[str]:
        text = self._scripts[min(self.spawned, len(self._scripts)) - 1]
        code = f"{OPENING}\nos.chdir({str(self.folder)!r})\n{text}{SERVE}"
        return (sys.executable, "-I", "-S", "-c", code)

    def spawn(self) -> None:
        self.spawned += 1
        self.alive_at_spawn = [pid for pid in self.left() if is_alive(pid)]
        (self.folder / "ready").unlink(missing_ok=True)
        super().spawn()

    def check_ready(self) -> bool:
        return (self.folder / "ready").exists()

    def left(self) -> list[int]:
        """Returns the numbers of the processes that it has started."""
        return [int(path.read_text()) for path in self.folder.glob("left*") if path.suffix != ".pid"]


class Clean(Parent):
    """One in which nobody else's code runs."""

    runs_foreign_code = False


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Supervisor]:
    """A supervisor with short ticks; pytest gets its signal handlers back."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(orphans, "GRACE_S", 0.1)
    with Supervisor(lambda text: None) as stage:
        yield stage
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


def run_until(stage: Supervisor, holds: Callable[[], object]) -> None:
    """Runs until a condition is true after a tick; fails when that takes too long."""
    deadline_s = time.monotonic() + 20
    is_over = False

    def look(now_s: float) -> None:
        if not is_over and holds():
            raise Stop
        assert is_over or time.monotonic() < deadline_s

    stage.add_duty(look)
    with pytest.raises(Stop):
        stage.run()
    is_over = True


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


WAYS = {
    "in its group": "fork(stay, 'left')",
    "deaf to SIGTERM": "fork(stubborn, 'left')",
    "in a session of its own": "fork(apart, stubborn, 'left')",
    "in a session and with an environment of its own": "fork(apart, unmarked, 'left')",
    "below another one": "fork(apart, lambda: (fork(apart, stubborn, 'left1'), stay('left2')))",
    "as a daemon": "daemon(stubborn, 'left')",
    "as a daemon with an environment of its own": "daemon(unmarked, 'left')",
}


@pytest.mark.parametrize("way", WAYS)
def test_what_a_child_has_started_ends_before_the_next_is_started(
    stage: Supervisor, tmp_path: Path, way: str
) -> None:
    child, other = Parent(tmp_path, "parent", WAYS[way], ""), Parent(tmp_path, "other", "")
    stage.start([child] if "daemon" in way else [child, other], 10)
    run_until(stage, lambda: len(child.left()) == WAYS[way].count("'left"))
    left = child.left()
    assert all(is_alive(pid) for pid in left)

    child.signal(signal.SIGKILL)
    run_until(stage, lambda: child.spawned == 2 and child.is_ready)

    assert child.alive_at_spawn == []
    assert not any(psutil.pid_exists(pid) for pid in left)


@pytest.mark.parametrize("way", WAYS)
def test_what_a_child_has_started_ends_with_the_supervisor(
    stage: Supervisor, tmp_path: Path, way: str
) -> None:
    child = Parent(tmp_path, "parent", WAYS[way])
    stage.start([child], 10)
    run_until(stage, lambda: len(child.left()) == WAYS[way].count("'left"))

    stage.stop()

    assert not any(psutil.pid_exists(pid) for pid in child.left())


def test_what_others_have_started_stays(stage: Supervisor, tmp_path: Path) -> None:
    way = "fork(stay, 'left1'); fork(apart, stay, 'left2'); daemon(stay, 'left3'); daemon(unmarked, 'left4')"
    mortal, other = Parent(tmp_path, "mortal", way, ""), Parent(tmp_path, "other", way)
    stage.start([mortal, other], 10)
    run_until(stage, lambda: len(mortal.left()) == len(other.left()) == 4)
    settled_s = time.monotonic() + orphans.JUST_NOW_S
    run_until(stage, lambda: time.monotonic() > settled_s)

    mortal.signal(signal.SIGKILL)
    run_until(stage, lambda: mortal.spawned == 2 and mortal.is_ready)

    assert [is_alive(pid) for pid in other.left()] == [True] * 4
    # Nobody can tell whose the daemon is that has a session and an environment of its own.
    assert sum(is_alive(pid) for pid in mortal.left()) <= 1


def test_zombies_are_waited_for(stage: Supervisor, tmp_path: Path) -> None:
    child = Parent(tmp_path, "parent", "for i in range(5): daemon(note, f'left{i}')")
    stage.start([child], 10)

    run_until(stage, lambda: len(child.left()) == 5)
    run_until(stage, lambda: not any(psutil.pid_exists(pid) for pid in child.left()))

    assert child.is_ready


def test_children_from_before_are_left_alone(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "from athena.supervisor.supervisor import Supervisor\n"
        "before = subprocess.Popen(['sleep', '600'])\n"
        "with Supervisor(str): pass\n"
        "assert before.poll() is None\n"
        "before.kill(); print(before.wait())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.stdout == "-9\n", done.stderr


def test_daemons_of_our_own_programs_stay_until_the_end(stage: Supervisor, tmp_path: Path) -> None:
    gateway = Clean(tmp_path, "gateway", "daemon(stay, 'left')")
    worker = Parent(tmp_path, "worker", "", "")
    stage.start([gateway, worker], 10)
    run_until(stage, gateway.left)

    worker.signal(signal.SIGKILL)
    run_until(stage, lambda: worker.spawned == 2 and worker.is_ready)
    stayed = is_alive(gateway.left()[0])
    stage.stop()

    assert stayed
    assert not psutil.pid_exists(gateway.left()[0])
