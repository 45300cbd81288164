"""The supervisor, with real processes as its children and a clock that tests move."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from athena.supervisor import child as child_module
from athena.supervisor import supervisor as module
from athena.supervisor.child import Child, StartError, describe_exit
from athena.supervisor.supervisor import Stop, Supervisor
from tests.conftest import wait_until

SLEEP = "exec sleep 600"
SERVE = f"touch $0; {SLEEP}"
STUBBORN = f"trap '' TERM; {SERVE}"


class Shell(Child):
    """Runs one script after the other, the last one again and again; $0 is a file that tells it is ready."""

    def __init__(self, folder: Path, *scripts: str, name: str = "child") -> None:
        super().__init__(name, grace_s=5)
        self.ready_file = folder / name
        self.spawned_s: list[float] = []
        self.exits: list[int] = []
        self._scripts = scripts

    def command(self) -> Sequence[str]:
        script = self._scripts[min(len(self.spawned_s), len(self._scripts) - 1)]
        return ("sh", "-c", script, str(self.ready_file))

    def spawn(self) -> None:
        super().spawn()
        self.spawned_s.append(self.started_s)

    def check_ready(self) -> bool:
        return self.ready_file.exists()

    def on_exit(self, returncode: int) -> None:
        self.exits.append(returncode)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid


class Clock:
    """Stands still until a test moves it; takes the place of the module `time`."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def step(self, now_s: float) -> None:
        """A duty by which each tick takes a second."""
        self.now_s += 1


class Stage(Supervisor):
    """A supervisor that remembers what it said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        super().__init__(self.said.append)

    def run_until(self, holds: Callable[[], object]) -> None:
        """Runs until a condition is true after a tick; fails when that takes too long."""
        deadline_s = time.monotonic() + 10
        is_over = False

        def look(now_s: float) -> None:
            if not is_over and holds():
                raise Stop
            assert is_over or time.monotonic() < deadline_s

        self.add_duty(look)
        with pytest.raises(Stop):
            self.run()
        is_over = True


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A supervisor with short ticks; pytest gets its signal handlers back."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    monkeypatch.setattr(module, "TICK_S", 0.001)
    stage = Stage()
    with stage:
        yield stage
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(child_module, "time", clock)
    return clock


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("returncode", "text"),
    [(0, "exit status 0"), (3, "exit status 3"), (-9, "killed by SIGKILL"), (-99, "killed by signal 99")],
)
def test_end_of_a_process_is_told_in_words(returncode: int, text: str) -> None:
    assert describe_exit(returncode) == text


# start


def test_what_a_start_waits_for_is_told_now_and_then(stage: Stage, clock: Clock, tmp_path: Path) -> None:
    slow = Shell(tmp_path, f"sleep 0.3; {SERVE}", name="mmocr")
    stage.add_duty(clock.step)

    stage.start([Shell(tmp_path, SERVE, name="gateway"), slow], 100_000)

    told = [line for line in stage.said if line.startswith("waiting for")]
    assert told[-1].startswith("waiting for mmocr, ")
    assert int(told[-1].removesuffix(" s").rpartition(" ")[2]) % module.LOADING_EVERY_S == 0


def test_who_is_to_serve_and_does_not_is_waited_for(stage: Stage, tmp_path: Path) -> None:
    serves, drained = Shell(tmp_path, SERVE, name="serves"), Shell(tmp_path, SERVE, name="drained")
    stage.start([serves, drained], 10)
    assert stage.waiting() == ()

    late = Shell(tmp_path, SLEEP, name="late")
    stage.admit(late)
    drained.drain()
    stage.run_until(lambda: not drained.is_running and late.is_running)

    assert stage.waiting() == ("late",)


def test_child_that_is_taken_in_late_ends_with_its_class(tmp_path: Path) -> None:
    """A worker's successor ends after the gateway, whose callers it answers."""

    class Gateway(Shell):
        pass

    supervisor = Supervisor(lambda text: None)
    for child in (Shell(tmp_path, name="worker"), Gateway(tmp_path, name="gateway")):
        supervisor.admit(child)

    supervisor.admit(Shell(tmp_path, name="successor"))

    assert supervisor.waiting() == ("worker", "successor", "gateway")


def test_start_waits_until_all_are_ready(stage: Stage, tmp_path: Path) -> None:
    first = Shell(tmp_path, SERVE, name="first")
    second = Shell(tmp_path, f"while [ ! -e {first.ready_file} ]; do :; done; {SERVE}", name="second")

    stage.start([second, first], 10)

    assert sorted(stage.said) == ["first is ready", "second is ready"]
    assert first.is_ready and second.is_ready


def test_child_that_ends_before_it_is_ready_stops_the_start(stage: Stage, tmp_path: Path) -> None:
    healthy, broken = Shell(tmp_path, SERVE, name="healthy"), Shell(tmp_path, "exit 3", name="broken")
    broken.log = "broken.log"

    with pytest.raises(StartError) as error:
        stage.start([healthy, broken], 10)
    stage.stop()

    assert error.value.message == "broken did not start (exit status 3); broken.log says why"
    assert (healthy.exits, broken.exits) == ([-signal.SIGTERM], [3])


def test_child_that_is_not_ready_in_time_stops_the_start(stage: Stage, clock: Clock, tmp_path: Path) -> None:
    stage.add_duty(clock.step)

    with pytest.raises(StartError, match="child was not ready in time"):
        stage.start([Shell(tmp_path, SLEEP)], 5)

    assert clock.now_s == 1006


def test_signal_during_the_start_stops_it(stage: Stage, tmp_path: Path) -> None:
    stage.add_duty(lambda now_s: os.kill(os.getpid(), signal.SIGTERM))

    with pytest.raises(Stop):
        stage.start([Shell(tmp_path, SLEEP)], 10)


# run


def test_child_in_a_crash_loop_is_started_less_and_less_often(
    stage: Stage, clock: Clock, tmp_path: Path
) -> None:
    child = Shell(tmp_path, "touch $0; exit 3")
    stage.start([child], 10)

    def pass_time(now_s: float) -> None:
        clock.now_s += child.restart_at_s > clock.now_s

    stage.add_duty(pass_time)
    stage.run_until(lambda: len(child.spawned_s) == 9)

    started_s = child.spawned_s
    assert [started_s[i + 1] - started_s[i] for i in range(8)] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert stage.said[1] == "child ended (exit status 3); starting it again now"
    assert "child ended (exit status 3); starting it again in 30 s" in stage.said


@pytest.mark.parametrize(("lived_s", "again"), [(5, "in 2 s"), (6, "now")])
def test_child_that_lived_long_is_started_as_if_it_had_never_died(
    stage: Stage, clock: Clock, tmp_path: Path, lived_s: float, again: str
) -> None:
    child = Shell(tmp_path, "touch $0; exit 3", "exit 3", SLEEP)
    stage.start([child], 10)

    def pass_time(now_s: float) -> None:
        if not child.is_running:
            clock.now_s += 1
        elif len(child.spawned_s) == 3 and child.ready_s:
            clock.now_s = child.ready_s + lived_s
            child.signal(signal.SIGKILL)

    stage.add_duty(pass_time)
    stage.run_until(lambda: len(child.exits) == 3)

    assert stage.said[-1] == f"child ended (killed by SIGKILL); starting it again {again}"


def test_death_wakes_the_supervisor_between_two_ticks(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mortal(Shell):
        def on_exit(self, returncode: int) -> None:
            super().on_exit(returncode)
            raise Stop

    def oversleep(number: int, frame: object) -> None:
        raise AssertionError("the death was not noticed")

    child = Mortal(tmp_path, SERVE)
    stage.start([child], 10)
    signal.signal(signal.SIGALRM, oversleep)
    signal.alarm(10)
    monkeypatch.setattr(module, "TICK_S", 3600)

    child.signal(signal.SIGKILL)
    with pytest.raises(Stop):
        stage.run()
    signal.alarm(0)

    assert child.exits == [-signal.SIGKILL]


def test_restarted_child_becomes_ready_again(stage: Stage, tmp_path: Path) -> None:
    child = Shell(tmp_path, SERVE)
    stage.start([child], 10)
    child.ready_file.unlink()

    child.signal(signal.SIGKILL)
    stage.run_until(lambda: len(child.spawned_s) == 2 and child.is_ready)

    assert stage.said == [
        "child is ready",
        "child ended (killed by SIGKILL); starting it again now",
        "child is ready again",
    ]


def test_restarted_child_that_never_will_be_ready_is_ended(
    stage: Stage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Moody(Shell):
        def check_ready(self) -> bool:
            if len(self.spawned_s) == 2:
                raise StartError("the disk is gone")
            return super().check_ready()

    child = Moody(tmp_path, SERVE)
    stage.start([child], 10)

    child.signal(signal.SIGKILL)
    stage.run_until(lambda: len(child.exits) == 2)

    assert child.exits == [-signal.SIGKILL] * 2
    assert "the disk is gone" in caplog.messages


def test_regular_duties_are_done_while_the_child_runs(stage: Stage, clock: Clock, tmp_path: Path) -> None:
    ticks: list[tuple[float, bool]] = []

    class Ticking(Shell):
        def on_tick(self, now_s: float) -> None:
            ticks.append((now_s, self.is_running))

    child = Ticking(tmp_path, SERVE, "exit 0")
    stage.start([child], 10)
    clock.now_s += 7
    stage.run_until(lambda: ticks[-1] == (1007, True))
    child.signal(signal.SIGKILL)
    stage.run_until(lambda: len(child.exits) == 2)

    assert set(ticks) == {(1000, True), (1007, True)}


# stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_run(stage: Stage, number: signal.Signals) -> None:
    stage.add_duty(lambda now_s: os.kill(os.getpid(), number))

    with pytest.raises(Stop):
        stage.run()


def test_child_may_end_in_its_own_way_within_the_grace(stage: Stage, clock: Clock, tmp_path: Path) -> None:
    child = Shell(tmp_path, "trap 'exit 7' TERM; touch $0; while :; do sleep 0.01; done")
    stage.start([child], 10)

    stage.stop()

    assert child.exits == [7]


def test_children_that_outlive_their_grace_are_killed_together(
    stage: Stage, clock: Clock, tmp_path: Path
) -> None:
    children = [Shell(tmp_path, STUBBORN, name=name) for name in ("first", "second")]
    stage.start(children, 10)
    pids = [child.pid for child in children]

    stage.add_duty(clock.step)
    stage.stop()

    assert [child.exits for child in children] == [[-signal.SIGKILL]] * 2
    assert 1005 < clock.now_s < 1100
    assert all(is_gone(pid) for pid in pids)


def test_second_signal_ends_the_grace(stage: Stage, clock: Clock, tmp_path: Path) -> None:
    child = Shell(tmp_path, STUBBORN)
    stage.start([child], 10)
    signals: list[int] = []

    def send(now_s: float) -> None:
        signals.append(signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        clock.now_s += len(signals) > 1000

    stage.add_duty(send)
    with pytest.raises(Stop):
        stage.run()
    stage.stop()

    assert child.exits == [-signal.SIGKILL]
    assert clock.now_s == 1000


def test_children_started_last_end_first(stage: Stage, tmp_path: Path) -> None:
    order: list[str] = []

    class Noting(Shell):
        def on_exit(self, returncode: int) -> None:
            order.append(self.name)
            order.extend(f"{child.name} runs" for child in children if child.is_running)

    class Other(Noting):
        """Of another class, so that it is not ended together with the rest."""

    children = [Noting(tmp_path, SERVE, name="first"), Other(tmp_path, SERVE, name="second")]
    stage.start(children, 10)

    stage.stop()

    assert order == ["second", "first runs", "first"]


def test_child_that_waits_for_its_restart_is_not_started_again(
    stage: Stage, clock: Clock, tmp_path: Path
) -> None:
    child = Shell(tmp_path, "touch $0; exit 3")
    stage.start([child], 10)
    stage.run_until(lambda: len(child.exits) == 2)

    clock.now_s += 100
    stage.stop()

    assert (len(child.spawned_s), child.exits) == (2, [3, 3])


def test_duties_go_on_while_children_end(stage: Stage, tmp_path: Path) -> None:
    child = Shell(tmp_path, STUBBORN)
    stage.start([child], 10)
    beats: list[bool] = []

    def beat(now_s: float) -> None:
        beats.append(child.is_stopping)
        if len(beats) == 3:
            child.signal(signal.SIGKILL)

    stage.add_duty(beat)
    stage.stop()

    assert beats[:3] == [True, True, True]


def test_children_end_with_a_supervisor_that_is_killed() -> None:
    code = (
        "from athena.supervisor.child import Child\n"
        "from athena.supervisor.supervisor import Supervisor\n"
        "class Sleep(Child):\n"
        "    def command(self): return ('sh', '-c', 'echo $$; exec sleep 600')\n"
        "    def check_ready(self): return True\n"
        "with Supervisor(str) as supervisor:\n"
        "    supervisor.start([Sleep('sleep', 5)], 10); supervisor.run()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())

        process.kill()

        wait_until(lambda: is_gone(pid), "the child is gone")


def test_hangup_stays_ignored_where_it_was(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        stage = Stage()
        with stage:
            child = Shell(tmp_path, SERVE)
            stage.start([child], 10)

            os.kill(os.getpid(), signal.SIGHUP)
            stage.run_until(lambda: True)

            assert child.exits == []
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


class Other(Shell):
    """Ends in a group of its own."""


@pytest.mark.parametrize("has_begun_by_signal", [True, False])
def test_signal_during_the_stop_ends_all_groups_at_once(
    stage: Stage, clock: Clock, tmp_path: Path, has_begun_by_signal: bool
) -> None:
    children = [Shell(tmp_path, STUBBORN, name="a"), Other(tmp_path, STUBBORN, name="b")]
    stage.start(children, 10)
    if has_begun_by_signal:
        os.kill(os.getpid(), signal.SIGTERM)

    stage.add_duty(lambda now_s: os.kill(os.getpid(), signal.SIGINT) if not children[1].exits else None)
    stage.stop()

    # The clock stands still, so no grace has passed.
    assert [child.exits for child in children] == [[-signal.SIGKILL], [-signal.SIGKILL]]


def test_optional_child_that_does_not_start_is_done_without(stage: Stage, tmp_path: Path) -> None:
    healthy, broken = Shell(tmp_path, SERVE, name="healthy"), Shell(tmp_path, "exit 3", name="broken")
    healthy.is_optional = broken.is_optional = True

    stage.start([healthy, broken], 10)
    stage.run_until(lambda: len(broken.exits) > 1)

    assert healthy.is_ready and not healthy.exits
    assert "broken did not start (exit status 3); its output above says why" in stage.said


def test_start_fails_when_no_optional_child_is_left(stage: Stage, tmp_path: Path) -> None:
    broken = [Shell(tmp_path, "exit 3", name=name) for name in ("one", "two")]
    for child in broken:
        child.is_optional = True

    with pytest.raises(StartError, match="did not start"):
        stage.start([*broken, Other(tmp_path, SERVE, name="other")], 10)
