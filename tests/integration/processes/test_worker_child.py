"""Worker processes as their supervisor sees them; small scripts stand for the workers, without Redis."""

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from athena.ability.manifest import WorkerOptions, load_ability
from athena.fleet.launch import EX_BROKEN, EX_LOOP_FAILED, EX_RECYCLED, WorkerLaunch, WorkerReport
from athena.protocol.interface import Limits
from athena.settings import from_env
from athena.store.fencing import Beat, Death
from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.child import StartError
from athena.supervisor.heartbeat import FleetKeeper
from athena.supervisor.placement.plan import Placement
from athena.supervisor.programs import LAUNCHER
from athena.supervisor.watchdog import OVERDUE_GRACE_S, SECOND_LOOK_S
from athena.supervisor.worker_child import LOAD_GRACE_S, WorkerChild
from tests.conftest import wait_until

SETTINGS = from_env({"ATHENA_REDIS_URL": "unix:///nowhere/redis.sock", "ATHENA_GRACE_S": "10"})
ROOT = Path(__file__).parents[3]
ECHO = ROOT / "abilities" / "echo"

#: What every script begins with: its start order, the board of its two threads, and how it reports.
OPENING = f"""
import json, os, sys, time
sys.path.insert(0, {str(ROOT)!r})
from athena.fleet.progress_board import ProgressBoard
launch = json.loads(os.environ["ATHENA_WORKER_LAUNCH"])
board = ProgressBoard(launch["progress_fd"], 2, 2)
def begin(thread, *job_ids):
    board.begin(thread, 100, 2.5, job_ids)
def report(ready, detail="", **more):
    os.write(launch["status_fd"], json.dumps({{"ready": ready, "detail": detail, **more}}).encode() + b"\\n")
"""

READY = "report(True); time.sleep(600)"


class Keeper(FleetKeeper):
    """Has no Redis, and remembers what it would have ended."""

    def __init__(self) -> None:
        super().__init__(SETTINGS.redis_url, SETTINGS)
        self.buried: list[tuple[str, Death]] = []
        self.notes: list[str] = []
        self.loads: list[tuple[str, str]] = []

    def bury(self, incarnation: str, death: Death) -> None:
        self.buried.append((incarnation, death))

    def tell_failure(self, service_id: str, detail: str, is_broken: bool = False) -> None:
        self.notes.append(f"broken: {detail}" if is_broken else detail)

    def count_break(self, service_id: str) -> None:
        self.notes.append(f"one more break of {service_id}")

    def tell_load(self, service_id: str, gpu_type: str, load_s: float) -> None:
        assert load_s > 0
        self.loads.append((service_id, gpu_type))

    def forget_failure(self, service_id: str) -> None:
        self.notes.append("serves")

    def forget_order(self, node_name: str) -> None:
        self.notes.append("order carried out")


ON_CPU = Placement("echo", "cpu", label="3")


class Script(WorkerChild):
    """A worker whose process runs a script instead."""

    def __init__(self, keeper: FleetKeeper, script: str, placement: Placement = ON_CPU) -> None:
        ability = replace(
            load_ability(ECHO),
            limits=Limits(max_exec_s=2.5),
            worker=WorkerOptions(concurrency=2, max_batch=2),
        )
        reading = AbilityReading(ability, lambda path: ability)
        super().__init__(reading, placement, keeper, SETTINGS)
        self._script = script

    def command(self) -> Sequence[str]:
        return (sys.executable, "-I", "-S", "-c", OPENING + self._script)

    def tick_twice(self, now_s: float) -> None:
        """Looks at the process until it is sure of what it sees."""
        self.on_tick(now_s)
        self.on_tick(now_s + 2 * SECOND_LOOK_S)

    def end(self) -> int:
        """Waits for the process and does what the supervisor does then."""
        assert self.process is not None
        returncode = self.process.wait()
        self.process = None
        self.on_exit(returncode)
        return returncode


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


def start(
    started: list["Script"], keeper: FleetKeeper, script: str, placement: Placement = ON_CPU
) -> "Script":
    worker = Script(keeper, script, placement)
    worker.spawn()
    started.append(worker)
    return worker


def start_error(worker: WorkerChild) -> str:
    """Waits for the report of a worker that cannot serve."""
    with pytest.raises(StartError) as error:
        wait_until(worker.check_ready, "the worker reports")
    return error.value.message


@pytest.fixture
def started() -> Iterator[list[Script]]:
    """The workers that a test has started; those that still run are ended."""
    started: list[Script] = []
    yield started
    for worker in started:
        worker.signal(signal.SIGKILL)
        if worker.is_running:
            worker.end()


def test_start_order_survives_its_way_through_the_environment() -> None:
    launch = WorkerLaunch(4, "i1", "écho.cpu.0@host", "cpu", 5, 6)

    assert WorkerLaunch.from_env({"OTHER": "1", **launch.environment()}) == launch


@pytest.mark.parametrize(
    "report",
    [
        WorkerReport(True),
        WorkerReport(False, "no model: ü\nline 2"),
        WorkerReport(False, "no licence", True, ("j1", "j2")),
    ],
)
def test_report_is_one_line(report: WorkerReport) -> None:
    read, write = os.pipe()

    report.send(write)

    line = os.read(read, 1000)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert WorkerReport.decode(line) == report
    os.close(read)
    os.close(write)


def test_process_is_a_worker(keeper: Keeper) -> None:
    worker = WorkerChild(AbilityReading(load_ability(ECHO)), ON_CPU, keeper, SETTINGS)

    assert worker.command() == (sys.executable, "-P", "-m", "workers", worker.node_name)
    assert worker.name == "worker echo"
    assert worker.grace_s > 10


@pytest.mark.parametrize("options", [WorkerOptions(requirements=True), WorkerOptions(python="x")])
def test_process_that_is_to_have_its_own_packages_is_launched(keeper: Keeper, options: WorkerOptions) -> None:
    ability = replace(load_ability(ECHO), worker=options)
    worker = WorkerChild(AbilityReading(ability), ON_CPU, keeper, SETTINGS)

    assert worker.command() == (*LAUNCHER, "-m", "workers", worker.node_name)


def test_installation_of_packages_has_time_of_its_own(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, "time.sleep(600)")
    worker.ability = replace(worker.ability, worker=replace(worker.ability.worker, requirements=True))
    install_s = SETTINGS.install_timeout_s

    worker.tick_twice(worker.started_s + SETTINGS.load_timeout_s + install_s)
    assert worker.exit_status() is None

    worker.tick_twice(worker.started_s + SETTINGS.load_timeout_s + install_s + LOAD_GRACE_S + 1)
    worker.end()
    ((_, death),) = keeper.buried
    assert death.reason == f"it did not become ready within {SETTINGS.load_timeout_s + install_s:g} s"


@pytest.mark.parametrize("placement", [ON_CPU, Placement("echo", "T4G16", "GPU-1", "3", 0, 2000)])
def test_process_gets_its_order_and_its_device(
    keeper: Keeper, started: list[Script], monkeypatch: pytest.MonkeyPatch, placement: Placement
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    worker = start(started, keeper, "report(False, json.dumps([launch, *os.environ.items()]))", placement)

    launch, *variables = json.loads(start_error(worker).removeprefix("ability echo: "))

    assert (
        launch.items()
        >= {
            "incarnation": worker.incarnation,
            "gpu_type": placement.gpu_type,
        }.items()
    )
    assert re.fullmatch("[0-9a-f]{32}", worker.incarnation)
    assert launch["name"] == f"echo.{placement.gpu_type}.3@{socket.gethostname()}"
    assert dict(variables)["CUDA_VISIBLE_DEVICES"] == placement.gpu_id
    assert dict(variables).items() >= {"PATH": os.environ["PATH"]}.items()


def test_process_is_ready_when_it_says_so(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, READY)

    wait_until(worker.check_ready, "the worker is ready")


def test_report_may_come_in_pieces(keeper: Keeper, started: list[Script], tmp_path: Path) -> None:
    first, rest = tmp_path / "first", tmp_path / "rest"
    script = f"""
os.write(launch["status_fd"], b'{{"ready": true, "de')
open({str(first)!r}, "w")
while not os.path.exists({str(rest)!r}): time.sleep(0.001)
os.write(launch["status_fd"], b'tail": ""}}\\n'); time.sleep(600)
"""
    worker = start(started, keeper, script)

    wait_until(first.exists, "the first piece is written")
    before = worker.check_ready()
    rest.touch()

    assert not before
    wait_until(worker.check_ready, "the worker is ready")


def test_process_that_cannot_serve_says_why(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, 'report(False, "no model: m.onnx"); raise SystemExit(78)')
    assert worker.process is not None
    worker.process.wait()

    assert start_error(worker) == "ability echo: no model: m.onnx"


def test_last_words_are_heard_of_a_process_that_ended_between_two_looks(
    keeper: Keeper, started: list[Script], caplog: pytest.LogCaptureFixture
) -> None:
    worker = start(started, keeper, 'report(False, "no model: m.onnx"); raise SystemExit(78)')

    assert worker.end() == 78

    # Its end is told as that of one that could not start, and not by its status.
    assert worker.has_given_up
    assert keeper.notes == ["no model: m.onnx"]
    assert [record.getMessage() for record in caplog.records] == ["ability echo: no model: m.onnx"]


def test_last_words_that_were_heard_are_told_once(
    keeper: Keeper, started: list[Script], caplog: pytest.LogCaptureFixture
) -> None:
    worker = start(started, keeper, 'report(False, "no model: m.onnx"); raise SystemExit(78)')
    start_error(worker)

    worker.end()

    assert keeper.notes == ["no model: m.onnx"]
    assert caplog.records == []


def test_process_that_died_in_silence_is_not_ready(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, "raise SystemExit(1)")
    assert worker.process is not None
    worker.process.wait()

    assert not worker.check_ready()


def test_every_process_is_a_fresh_incarnation_with_a_clean_board(
    keeper: Keeper, started: list[Script], tmp_path: Path
) -> None:
    flag = str(tmp_path / "flag")
    busy = f"open({flag!r}, 'w'); begin(0, 'j1'); raise SystemExit(3)"
    worker = start(started, keeper, f"if not os.path.exists({flag!r}): {busy}\n{READY}")
    first = worker.incarnation
    assert worker.end() == 3

    worker.spawn()
    wait_until(worker.check_ready, "the second process is ready")
    worker.on_tick(200)
    worker.signal(signal.SIGTERM)

    assert worker.incarnation != first
    assert worker.end() == -signal.SIGTERM
    assert [name for name, _ in keeper.buried] == [first, worker.incarnation]


def test_process_is_killed_when_a_call_is_past_its_limit_and_the_grace(
    keeper: Keeper, started: list[Script], caplog: pytest.LogCaptureFixture
) -> None:
    worker = start(started, keeper, f"begin(0, 'j0'); begin(1, 'j1', 'j2'); board.end(0); {READY}")
    wait_until(worker.check_ready, "the worker is ready")
    worker.now_serves()

    worker.on_tick(100 + 2.5)
    worker.on_tick(100 + 2.5 + OVERDUE_GRACE_S)
    within = list(caplog.messages)
    worker.tick_twice(100 + 2.5 + OVERDUE_GRACE_S + 0.01)
    returncode = worker.end()

    text = "a call ran longer than 2.5 s (max_exec_s); its process was ended"
    assert (within, returncode) == ([], -signal.SIGKILL)
    assert caplog.messages == [f"worker echo: {text}"]
    ((_, death),) = keeper.buried
    assert (death.overran, death.blamed, death.reason) == (True, ("j1", "j2"), text)
    assert worker.died_at_work


def test_nobody_is_killed_for_what_one_reading_says(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, f"begin(0, 'j1'); {READY}")
    wait_until(worker.check_ready, "the worker is ready")
    worker.now_serves()
    board = worker._board

    worker.on_tick(200)
    worker.on_tick(200 + SECOND_LOOK_S / 2)
    board.begin(0, 200, 2.5, ["j2"])
    worker.tick_twice(200.1)
    board.begin(0, 100, 2.5, ["j3"])
    worker.on_tick(201)

    assert worker.process is not None and worker.process.poll() is None
    assert not worker._verdict


def test_board_that_cannot_be_read_is_no_reason_to_kill(
    keeper: Keeper, started: list[Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start(started, keeper, f"begin(0, 'j1'); {READY}")
    wait_until(worker.check_ready, "the worker is ready")
    worker.now_serves()
    monkeypatch.setattr("athena.fleet.progress_board._TRIES", 0)

    worker.tick_twice(200)

    assert not worker._verdict


def test_jobs_that_ran_when_a_process_died_are_blamed(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, "begin(1, 'j1'); os.kill(os.getpid(), 11)")

    worker.end()

    text = "the worker process died under the job (killed by SIGSEGV)"
    ((incarnation, death),) = keeper.buried
    assert incarnation == worker.incarnation
    assert (death.reason, death.blamed, death.worker) == (text, ("j1",), worker.node_name)
    assert (death.service_id, death.gpu_type) == ("echo", "cpu")


@pytest.mark.parametrize(
    ("script", "cause"),
    [
        ("report(True); os.kill(os.getpid(), 9)", "crashed"),
        ("report(True); raise SystemExit(0)", "crashed"),
        (f"report(True); raise SystemExit({EX_RECYCLED})", "recycled"),
        ("raise SystemExit(78)", "start_failed"),
        ("os.kill(os.getpid(), 9)", "start_failed"),
    ],
)
def test_cause_of_an_end_is_told(keeper: Keeper, started: list[Script], script: str, cause: str) -> None:
    worker = start(started, keeper, script)
    if script.startswith("report"):
        wait_until(worker.check_ready, "the worker is ready")
        assert keeper.loads == [("echo", "cpu")]

    worker.end()

    assert [death.cause for _, death in keeper.buried] == [cause]


def test_worker_that_is_stopped_has_not_crashed(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, READY)
    wait_until(worker.check_ready, "the worker is ready")
    worker.stop()
    worker.signal(signal.SIGKILL)

    worker.end()

    assert [death.cause for _, death in keeper.buried] == ["stopped"]


@pytest.mark.parametrize("status", [0, EX_RECYCLED, EX_LOOP_FAILED])
def test_calls_that_a_process_leaves_behind_when_its_own_loop_ends_are_not_blamed(
    keeper: Keeper, started: list[Script], caplog: pytest.LogCaptureFixture, status: int
) -> None:
    worker = start(started, keeper, f"report(True); begin(0, 'j1'); board.part(); raise SystemExit({status})")

    worker.end()

    assert keeper.buried[0][1].blamed == ()
    assert not worker.died_at_work
    assert ("error of its own" in caplog.text) is (status == EX_LOOP_FAILED)


BREAKS = f"""
report(True); board.part(); report(False, "no licence", is_broken=True, blamed=["j1"])
raise SystemExit({EX_BROKEN})
"""


def test_process_that_was_broken_tells_why_and_which_job_broke_it(
    keeper: Keeper, started: list[Script]
) -> None:
    worker = start(started, keeper, BREAKS)
    wait_until(worker.check_ready, "the worker is ready")
    worker.now_serves()

    assert worker.end() == EX_BROKEN

    ((_, death),) = keeper.buried
    assert (death.reason, death.blamed, death.is_broken) == ("no licence", ("j1",), True)
    assert keeper.notes == ["serves", "broken: no licence", "one more break of echo"]
    assert worker.planned_exit(EX_BROKEN) == ""
    assert worker.died_at_work


def test_worker_stays_broken_until_another_process_serves(
    keeper: Keeper, started: list[Script], tmp_path: Path
) -> None:
    flag = str(tmp_path / "flag")
    fails = f"open({flag!r}, 'w'); report(False, 'the example fails'); raise SystemExit(78)"
    worker = start(started, keeper, BREAKS)
    worker.end()
    worker._script = f"if not os.path.exists({flag!r}): {fails}\n{READY}"

    worker.spawn()
    start_error(worker)
    worker.end()
    then, last_death = worker.state().state, keeper.buried[-1][1]
    worker.spawn()
    wait_until(worker.check_ready, "the third process is ready")
    worker.now_serves()

    assert (then, worker.state().state) == ("broken", "serving")
    assert (last_death.is_broken, last_death.blamed) == (False, ())
    assert keeper.notes == [
        "broken: no licence",
        "one more break of echo",
        "broken: the example fails",
        "serves",
    ]


def test_process_that_died_idle_has_nobody_to_blame(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, "raise SystemExit(1)")

    worker.end()

    assert keeper.buried[0][1].blamed == ()
    assert not worker.died_at_work
    assert keeper.notes == ["the worker process ended while it started (exit status 1)"]


def test_process_that_died_right_after_its_report_had_started(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, "report(True); raise SystemExit(1)")

    worker.end()

    assert keeper.notes == []


def test_process_that_is_killed_on_purpose_has_nobody_to_blame(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, f"begin(0, 'j1'); {READY}")
    wait_until(worker.check_ready, "the worker is ready")

    worker.drain()
    worker.signal(signal.SIGKILL)
    worker.end()

    assert keeper.buried[0][1].blamed == ()


def test_next_process_is_not_blamed_for_the_call_of_the_last(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, f"begin(0, 'j1'); {READY}")
    wait_until(worker.check_ready, "the worker is ready")
    worker.tick_twice(200)
    worker.end()

    worker.spawn()
    worker.signal(signal.SIGTERM)
    worker.end()

    assert [death.overran for _, death in keeper.buried] == [True, False]


def test_worker_that_has_done_enough_is_replaced_at_once(keeper: Keeper) -> None:
    worker = WorkerChild(AbilityReading(load_ability(ECHO)), ON_CPU, keeper, SETTINGS)

    assert worker.planned_exit(EX_RECYCLED) == "it was due to be replaced"
    assert worker.planned_exit(1) == ""


def test_call_that_goes_on_after_its_jobs_were_canceled_is_ended(
    keeper: Keeper, started: list[Script], monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = start(started, keeper, f"begin(0, 'j1', 'j2'); {READY}")
    wait_until(worker.check_ready, "the worker is ready")
    worker.now_serves()
    monkeypatch.setattr("athena.supervisor.worker_child.time.monotonic", lambda: 100.5)
    verdicts = []

    for canceled in (set(), {"j1"}, {"j1", "j2"}):
        worker.on_beat(Beat(False, frozenset(canceled)), "")
        worker.on_tick(100.5 + 0.01)
        verdicts.append(worker.died_at_work and worker._verdict)
    worker._canceled_s = dict.fromkeys(("j1", "j2"), 80.0)
    worker.tick_twice(100.5 + 0.01)

    assert verdicts == [None, None, None]
    assert worker.end() == -signal.SIGKILL
    assert keeper.buried[0][1].blamed == ()
    assert "canceled" in keeper.buried[0][1].reason


@pytest.mark.parametrize(
    ("order", "is_wanted", "notes"),
    [("drain", False, ["serves"]), ("restart", True, ["serves", "order carried out"])],
)
def test_operators_orders_are_carried_out(
    keeper: Keeper, started: list[Script], order: str, is_wanted: bool, notes: list[str]
) -> None:
    worker = start(started, keeper, READY)
    wait_until(worker.check_ready, "the worker is ready")

    worker.on_beat(Beat(False, frozenset()), order)

    assert worker.end() == -signal.SIGTERM
    assert worker.is_wanted is is_wanted
    assert keeper.notes == notes


def test_drained_worker_starts_again_when_nobody_wants_it_drained(keeper: Keeper) -> None:
    worker = WorkerChild(AbilityReading(load_ability(ECHO)), ON_CPU, keeper, SETTINGS)
    worker.drain()

    worker.on_beat(Beat(False, frozenset()), "drain")
    still_drained = not worker.is_wanted
    worker.on_beat(Beat(False, frozenset()), "")

    assert still_drained and worker.is_wanted


def test_drained_worker_is_shown_as_that_once_its_process_has_ended(
    keeper: Keeper, started: list[Script]
) -> None:
    worker = start(started, keeper, READY)
    wait_until(worker.check_ready, "the worker is ready")
    worker.now_serves()

    worker.on_beat(Beat(False, frozenset()), "drain")
    during = worker.state().state
    worker.end()
    worker.ended(0.0)

    assert (during, worker.state().state) == ("stopping", "drained")


def test_fenced_process_is_ended(keeper: Keeper, started: list[Script]) -> None:
    worker = start(started, keeper, READY)
    wait_until(worker.check_ready, "the worker reports")
    worker.now_serves()

    worker.on_beat(Beat(True, frozenset()), "")

    assert worker.end() == -signal.SIGKILL


@pytest.mark.parametrize("has_registered", [True, False])
def test_process_that_loads_is_ended_only_if_it_had_registered_before(
    keeper: Keeper, started: list[Script], has_registered: bool
) -> None:
    worker = start(started, keeper, "time.sleep(600)")

    if has_registered:
        worker.on_beat(Beat(False, frozenset()), "")
    worker.on_beat(Beat(True, frozenset()), "")
    worker.signal(signal.SIGTERM)

    assert worker.is_beating
    assert worker.end() == (-signal.SIGKILL if has_registered else -signal.SIGTERM)


def test_keeper_tries_again_each_second_while_redis_is_away(
    started: list[Script], caplog: pytest.LogCaptureFixture
) -> None:
    keeper = FleetKeeper(SETTINGS.redis_url, SETTINGS)
    worker = start(started, keeper, READY)

    def told_at(now_s: float) -> list[str]:
        caplog.clear()
        keeper.on_tick(now_s)
        return [message.partition(":")[0] for message in caplog.messages]

    worker.now_serves()
    assert told_at(10.0) == ["no heartbeat"]
    assert told_at(10.9) == []
    assert told_at(11.0) == ["no heartbeat"]
    caplog.clear()
    keeper.bury("i1", Death("lost", (), 3, 60))
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "cannot pass on the jobs of a dead worker yet"
    ]
    assert keeper.in_contact_since_s is None
