"""A host's workers as GPUs turn bad and come back: real processes, scripts in place of workers and driver."""

import time
from pathlib import Path

import pytest

from athena.ability.manifest import load_ability
from athena.devices.inventory import NO_DRIVER, Inventory
from athena.devices.readings import HostGpus
from athena.supervisor.ability_reading import AbilityReading
from athena.supervisor.child import Child
from athena.supervisor.gpu_watch import GpuWatch
from athena.supervisor.host_workers import LOOK_AGAIN_S, HostWorkers
from athena.supervisor.placement.plan import Placement
from athena.supervisor.supervisor import Supervisor
from athena.supervisor.worker_child import WorkerChild
from tests.integration.processes.host_stage import SETTINGS, Keeper, Stage, ability, host


def test_worker_follows_only_when_the_one_before_is_gone(stage: Stage) -> None:
    stage.play(host(1), ability("a", "T4G16"))
    busy = stage.mark("busy", "a.T4G16.0")
    stage.tell(host(1, 0))
    stage.until_states("a.T4G16.0 stopping")

    stage.tell(host(1))
    stage.until("healthy", lambda: not stage.keeper.report.devices[0].problem)
    stage.until_read()
    assert stage.states() == [("a.T4G16.0", "stopping")]

    busy.unlink()
    stage.until_states("a.T4G16.0 serving")


def test_gpu_that_is_lost_disturbs_no_other_worker(stage: Stage) -> None:
    stage.play(
        host(3), ability("a", "T4G16", share=1.0), ability("b", "T4G16", share=1.0), ability("c", "cpu")
    )
    before = stage.pids()
    assert before.keys() == {"a.T4G16.0", "b.T4G16.1", "a.T4G16.2", "c.cpu.0"}

    stage.tell(host(3, 0))
    stage.until_states("a.T4G16.2 serving", "b.T4G16.1 serving", "c.cpu.0 serving")

    assert stage.pids() == {name: pid for name, pid in before.items() if name != "a.T4G16.0"}


def test_worker_that_shares_the_cores_with_more_others_is_not_started_anew(stage: Stage) -> None:
    stage.play(host(1), ability("a", "T4G16", "cpu"), ability("c", "cpu"))
    before = stage.pids()

    stage.tell(host(1, 0))
    stage.until_states("a.cpu.0 serving", "c.cpu.0 serving")

    assert stage.pids()["c.cpu.0"] == before["c.cpu.0"]


def test_worker_on_the_cpu_serves_until_the_one_on_the_gpu_does(stage: Stage) -> None:
    stage.play(host(1, 0), ability("a", "T4G16", "cpu"))
    pid = stage.pids()["a.cpu.0"]
    slow = stage.mark("slow", "a.T4G16.0")

    stage.tell(host(1))
    stage.until_states("a.T4G16.0 loading", "a.cpu.0 serving")
    # Lost once more before it serves: the one on the CPU is still the same.
    stage.tell(host(1, 0))
    stage.until_states("a.cpu.0 serving")
    assert stage.pids() == {"a.cpu.0": pid}

    slow.unlink()
    stage.tell(host(1))
    stage.until_states("a.T4G16.0 serving")


def test_worker_makes_room_for_another_ability_at_once(stage: Stage) -> None:
    stage.play(host(2), ability("a", "T4G16", "cpu", share=1.0), ability("b", "T4G16", share=1.0))
    stage.mark("slow", "a.cpu.0")
    (lost,) = (index for index in (0, 1) if f"b.T4G16.{index}" in stage.pids())

    stage.tell(host(2, lost))

    stage.until_states("a.cpu.0 loading", f"b.T4G16.{1 - lost} serving")


def test_critical_error_outlives_the_process_that_heard_of_it(stage: Stage) -> None:
    stage.play(host(1), ability("a", "T4G16", "cpu"))
    stage.tell(host(1, xid=48, problem="XID 48"))
    stage.until_states("a.cpu.0 serving")

    stage.tell(host(1))
    stage.until_read()

    assert stage.states() == [("a.cpu.0", "serving")]
    (gpu,) = stage.keeper.report.inventory.gpus
    assert (gpu.xid, gpu.problem) == (48, "the driver reported the critical error XID 48; dmesg says more")


def test_driver_that_answers_later_is_heard(stage: Stage) -> None:
    stage.play(
        Inventory("the NVIDIA driver does not answer within 60 s"),
        ability("a", "T4G16", "cpu"),
        ability("b", "T4G16"),
    )
    assert stage.pids().keys() == {"a.cpu.0"}

    stage.tell(host(1))

    stage.until_states("a.T4G16.0 serving", "b.T4G16.0 serving")
    assert "the NVIDIA driver answers" in stage.said


def test_driver_that_shows_no_gpu_later_changes_the_reason(stage: Stage) -> None:
    trouble = Inventory("the NVIDIA driver cannot be used: Driver/library version mismatch")
    stage.play(trouble, ability("a", "cpu"), ability("b", "T4G16"))
    stage.until("told", lambda: "version mismatch" in stage.keeper.failures.get("b", ""))

    stage.tell(host(0))

    stage.until("told anew", lambda: "this host has no GPU" in stage.keeper.failures["b"])


@pytest.mark.parametrize(("problem", "watches"), [(NO_DRIVER, 0), ("the driver hangs", 1), ("", 1)])
def test_only_a_host_without_a_driver_is_not_watched(problem: str, watches: int) -> None:
    class Admission(Supervisor):
        def admit(self, child: Child) -> None:
            admitted.append(child)

    admitted: list[Child] = []
    workers = HostWorkers([ability("a", "cpu")], Inventory(problem), Keeper(), SETTINGS, print)

    workers.follow(Admission(print))

    assert [type(child) for child in admitted] == [GpuWatch] * watches


def test_workers_are_told_of_before_they_are_started() -> None:
    keeper = Keeper()
    workers = HostWorkers([ability("a", "cpu"), ability("b", "T4G16")], host(1), keeper, SETTINGS, print)

    workers.follow(Supervisor(print))

    told = {(worker.service_id, worker.state) for worker in keeper.report.workers}
    assert told == {("a", "loading"), ("b", "loading")}


def test_trouble_with_the_driver_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    workers = HostWorkers([ability("a", "T4G16")], host(1), Keeper(), SETTINGS, print)

    for _ in range(3):
        workers.on_inventory(Inventory("it is upset"))

    assert [record.getMessage() for record in caplog.records] == ["the GPUs cannot be read: it is upset"]
    assert len(workers.children) == 1


def test_retired_worker_does_not_come_back() -> None:
    child = WorkerChild(AbilityReading(ability("a", "cpu")), Placement("a", "cpu"), Keeper(), SETTINGS)

    child.retire()
    child.restart()

    assert not child.is_wanted


# what becomes of an ability's folder


@pytest.fixture
def edited(tmp_path: Path) -> Path:
    """The ability.toml of an ability `edited`."""
    folder = tmp_path / "edited"
    folder.mkdir()
    (folder / "wrapper.py").touch()
    toml = folder / "ability.toml"
    toml.touch()
    return toml


def test_folder_that_is_mended_is_told_of_without_a_restart(stage: Stage, edited: Path) -> None:
    stage.play(host(0), load_ability(edited.parent))
    before = stage.pids()
    edited.write_text("x = 1")
    (child,) = stage.host.children

    assert not child.restart()
    broken = dict(stage.keeper.failures)
    edited.write_text("")
    stage.host.on_tick(time.monotonic() + 2 * LOOK_AGAIN_S)

    assert "unknown key 'x'" in broken["edited"]
    assert (stage.keeper.failures, stage.pids()) == ({}, before)


def test_worker_that_is_placed_anew_starts_as_the_folder_was_read_last(stage: Stage, edited: Path) -> None:
    edited.write_text('[gpu]\ntypes = ["T4G16", "cpu"]')
    stage.play(host(1), load_ability(edited.parent))
    edited.write_text('description = "good"\n[gpu]\ntypes = ["T4G16", "cpu"]')
    (child,) = stage.host.children
    assert child.restart()
    stage.until("good", lambda: child.ability.description == "good" and child.is_ready)
    edited.write_text("x = 1")

    stage.tell(host(1, 0))
    stage.until_states("edited.cpu.0 serving")

    (successor,) = stage.host.children
    assert (successor is child, successor.ability.description) == (False, "good")
    assert "unknown key 'x'" in stage.keeper.failures["edited"]


# what is remembered of GPUs


def free_mib(gpus: HostGpus) -> list[int]:
    return [gpu.memory_free_mib for gpu in gpus.before_our_workers().gpus]


def test_memory_counts_that_was_free_before_our_workers_took_it() -> None:
    gpus = HostGpus(host(2), {})

    gpus.take_in(host(2, memory_free_mib=100))

    assert free_mib(gpus) == [15360, 15360]


def test_memory_that_could_not_be_read_counts_from_when_it_could() -> None:
    unread = host(1, memory_total_mib=0, memory_free_mib=0, problem="the driver does not read it")
    gpus = HostGpus(unread, {})

    news = gpus.take_in(host(1))

    assert free_mib(gpus) == [15360]
    assert news == ["GPU GPU-0 (T4G16): it is healthy"]


def test_news_are_what_a_plan_depends_on() -> None:
    gpus = HostGpus(host(2, product="", memory_total_mib=0), {})

    assert gpus.take_in(host(2, product="", memory_total_mib=0, temperature_c=40)) == []
    assert gpus.take_in(host(1)) == ["GPU GPU-0 (T4G16): it is healthy", "GPU GPU-1 is gone"]


@pytest.mark.parametrize("line", [b"5", b"[]", b"null", b"hello"])
def test_what_is_no_inventory_is_not_taken_for_one(line: bytes) -> None:
    with pytest.raises(ValueError):
        Inventory.decode(line)


def test_operator_may_want_more_or_fewer_processes_on_the_cpu(stage: Stage) -> None:
    stage.play(Inventory(), ability("ocr", "cpu"), ability("echo", "cpu"))
    before = stage.pids()

    # What is no number of processes, or of no ability here, changes nothing.
    stage.keeper.sizes = {"ocr": 3, "echo": 0, "asr": 2}
    stage.until_states("echo.cpu.0 serving", "ocr.cpu.0 serving", "ocr.cpu.1 serving", "ocr.cpu.2 serving")
    assert before.items() <= stage.pids().items()

    stage.keeper.sizes = {"ocr": 1}
    stage.until_states("echo.cpu.0 serving", "ocr.cpu.0 serving")
    assert stage.pids() == before

    stage.keeper.sizes = {}
    stage.until_states("echo.cpu.0 serving", "ocr.cpu.0 serving")
    assert stage.pids() == before
