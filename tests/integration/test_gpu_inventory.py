"""GPUs as pynvml tells of them, driven against a stand-in for NVIDIA's library."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from athena.cli import main
from athena.devices.inventory import Gpu, Inventory, devices_of
from athena.supervisor.gpu_watch import GpuWatch, read_inventory
from tests import nvml
from tests.nvml import StandInGpu, a100s, h200s, t4s

ECHO = Path(__file__).parents[2] / "abilities" / "echo"
GPU_MODEL = Path(__file__).parents[1] / "abilities" / "gpu_model"

Fleet = Callable[..., None]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nvml.build(tmp_path_factory.mktemp("nvml"))


@pytest.fixture
def fleet(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    """Writes what the library finds; programs that are started then find the library."""
    path = tmp_path / "fleet"
    for name, value in nvml.environment(library, path).items():
        monkeypatch.setenv(name, value)

    def write(gpus: list[StandInGpu], *head: str) -> None:
        nvml.write_fleet(path, gpus, head)

    return write


def partitioned() -> list[StandInGpu]:
    """Returns 4 A100s, two of them partitioned."""
    gpus = a100s(4)
    gpus[1].lines += [
        "mig 1",
        "instance MIG-1a 3 40192 40000 3g.40gb",
        "instance MIG-1b 3 40192 40192 3g.40gb",
    ]
    gpus[2].lines += ["mig 1", *(f"instance MIG-2{part} 1 9856 9856 1g.10gb" for part in "abcdefg")]
    return gpus


def types(inventory: Inventory) -> list[str]:
    return [device.gpu_type for device in devices_of(inventory)]


@pytest.mark.parametrize(
    ("gpus", "expected"),
    [
        (t4s(8), ["T4G16"] * 8),
        (h200s(8), ["H200G141"] * 8),
        (
            partitioned(),
            ["A100G80", *["A100MIG3G40"] * 2, *["A100MIG1G10"] * 7, "A100G80"],
        ),
        ([*t4s(2), *a100s(1, 2), *h200s(1, 3)], ["T4G16", "T4G16", "A100G80", "H200G141"]),
        ([], []),
    ],
)
def test_fleets_are_named(fleet: Fleet, gpus: list[StandInGpu], expected: list[str]) -> None:
    fleet(gpus)

    inventory = read_inventory()

    assert (inventory.problem, inventory.driver, inventory.cuda) == ("", "550.54.15", "12.4")
    assert types(inventory) == expected
    assert [gpu.uuid for gpu in inventory.gpus] == [gpu.uuid for gpu in gpus]
    assert not any(device.problem for device in devices_of(inventory))


def test_all_that_the_driver_tells_is_told(fleet: Fleet) -> None:
    (gpu,) = a100s(1)
    gpu.lines += ["utilization 37", "temperature 41", "power 70500 400000", "process 42 1000", "process 43 7"]
    fleet([gpu])

    (read,) = read_inventory().gpus

    assert (read.product, read.compute_capability) == ("NVIDIA A100-SXM4-80GB", "8.0")
    assert (read.memory_total_mib, read.memory_free_mib) == (81920, 81920)
    assert (read.utilization, read.temperature_c) == (0.37, 41)
    assert (read.power_w, read.power_limit_w) == (70.5, 400)
    assert [(process.pid, process.memory_mib) for process in read.processes] == [(42, 1000), (43, 7)]
    assert (read.ecc_uncorrected, read.xid, read.problem) == (0, 0, "")


NEEDED = {"nvmlInitWithFlags", "nvmlDeviceGetCount_v2", "nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetUUID"}


def entry_points() -> list[str]:
    """Returns the functions of the stand-in."""
    names = {word.split("(")[0] for word in nvml.SOURCE.read_text().split() if word.startswith("nvml")}
    return sorted(name for name in names if name.isidentifier() or "_v" in name)


@pytest.mark.parametrize("name", sorted(set(entry_points()) - NEEDED))
def test_function_that_the_driver_lacks_is_done_without(fleet: Fleet, name: str) -> None:
    fleet(partitioned(), f"without {name}")

    inventory = read_inventory()

    assert inventory.problem == ""
    assert len(inventory.gpus) == 4
    assert not any(gpu.problem for gpu in inventory.gpus)


def test_driver_that_tells_nothing_is_an_ordinary_state(fleet: Fleet) -> None:
    fleet(t4s(1), *(f"without {name}" for name in entry_points() if name not in NEEDED))

    assert read_inventory() == Inventory(gpus=(Gpu(0, t4s(1)[0].uuid),))


@pytest.mark.parametrize("name", sorted(NEEDED))
def test_driver_without_the_least_is_an_ordinary_state(fleet: Fleet, name: str) -> None:
    fleet(t4s(1), f"without {name}")

    inventory = read_inventory()

    assert inventory.problem or inventory.gpus[0].problem


def test_library_without_a_driver(fleet: Fleet, tmp_path: Path) -> None:
    assert "Driver Not Loaded" in read_inventory().problem


def test_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    code = "import ctypes; ctypes.CDLL('libnvidia-ml.so.1')"
    if subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0:
        pytest.skip("this machine has NVIDIA's driver")

    assert read_inventory() == Inventory("there is no NVIDIA driver")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("fail 15", "it has fallen off the bus"),
        ("fail 16", "it must be reset"),
        ("fail 999", "the driver does not show it: Unknown Error"),
        ("ecc 3", "3 memory errors could not be corrected"),
        ("remap_failed 1", "more bad rows than it can replace"),
    ],
)
def test_bad_gpu_is_told_and_the_others_work(fleet: Fleet, line: str, problem: str) -> None:
    gpus = a100s(3)
    gpus[1].lines.append(line)
    fleet(gpus)

    inventory = read_inventory()

    assert problem in inventory.gpus[1].problem
    assert [gpu.problem for gpu in inventory.gpus if gpu.index != 1] == ["", ""]


def test_driver_that_hangs_keeps_nobody_waiting_for_ever(fleet: Fleet) -> None:
    fleet(t4s(1), "hang nvmlDeviceGetCount_v2")

    assert read_inventory(timeout_s=2) == Inventory("the NVIDIA driver does not answer within 2 s")


def test_driver_that_crashes_says_how(fleet: Fleet) -> None:
    fleet(t4s(1), "crash nvmlDeviceGetMigMode")

    assert read_inventory() == Inventory("the host's GPUs cannot be read: killed by SIGABRT")


def test_process_that_cannot_be_ended_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[subprocess.Popen[bytes]] = []

    class Held(subprocess.Popen[bytes]):
        """As one that a driver holds in the kernel: no signal reaches it."""

        def kill(self) -> None:
            held.append(self)

    monkeypatch.setattr(subprocess, "Popen", Held)
    monkeypatch.setattr("athena.supervisor.gpu_watch.inventory_command", lambda: ("sleep", "600"))

    inventory = read_inventory(timeout_s=0.2)

    assert "does not answer" in inventory.problem
    (process,) = held
    assert process.poll() is None
    process.terminate()
    process.wait(60)


def test_what_a_library_prints_is_not_taken_for_the_inventory(fleet: Fleet) -> None:
    fleet(t4s(2), "prints 5")

    assert types(read_inventory()) == ["T4G16", "T4G16"]


def test_driver_that_counts_wrongly_is_not_believed(fleet: Fleet) -> None:
    fleet(t4s(2), "count 4294967295")

    inventory = read_inventory()

    assert types(inventory)[:2] == ["T4G16", "T4G16"]
    assert len(inventory.gpus) == 1024
    assert all(gpu.problem for gpu in inventory.gpus[2:])


def test_errors_whose_words_are_no_text_are_told_by_their_number(fleet: Fleet) -> None:
    gpus = t4s(2)
    gpus[1].lines.append("fail 77")
    fleet(gpus, "garbled 1")

    inventory = read_inventory()

    assert [gpu.problem for gpu in inventory.gpus] == ["", "the driver does not show it: error 77"]


def test_numbers_with_all_bits_set_stand_for_none(fleet: Fleet) -> None:
    (gpu,) = t4s(1)
    gpu.lines.append("unknown 1")
    fleet([gpu])

    (read,) = read_inventory().gpus

    assert (read.problem, read.memory_total_mib, read.memory_free_mib, read.mig) == ("", 0, 0, False)
    assert (read.ecc_uncorrected, read.utilization, read.temperature_c) == (None, None, None)
    assert (read.power_w, read.power_limit_w) == (None, None)


def test_gpu_with_the_uuid_of_another_is_not_used(fleet: Fleet) -> None:
    fleet([*t4s(1), *t4s(1)])

    assert [gpu.problem for gpu in read_inventory().gpus] == ["", "it has the UUID of GPU 0"]


def test_memory_is_told_by_drivers_that_know_the_newer_question_only(fleet: Fleet) -> None:
    (gpu,) = t4s(1)
    gpu.lines.append("reserved 300")
    fleet([gpu])

    (read,) = read_inventory().gpus

    assert (read.memory_total_mib, read.memory_free_mib) == (15360, 15360)


def test_compute_instances_divide_the_memory_of_their_gpu_instance(fleet: Fleet) -> None:
    (gpu,) = a100s(1)
    gpu.lines += ["mig 1", *(f"instance MIG-{part} 1 40192 40192 1c.3g.40gb 2" for part in "ab")]
    gpu.lines += ["instance MIG-c 1 9856 9856 1g.10gb 5"]
    fleet([gpu])

    (read,) = read_inventory().gpus

    assert [part.memory_total_mib for part in read.mig_instances] == [20096, 20096, 9856]
    assert types(read_inventory()) == ["A100MIG1C3G40", "A100MIG1C3G40", "A100MIG1G10"]


def test_scheduler_decides_which_gpus_are_ours(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet(t4s(3))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")

    inventory = read_inventory()

    assert [gpu.index for gpu in inventory.gpus] == [2]
    assert inventory.hidden == 2


class Watched:
    """A watch whose ticks the test makes."""

    def __init__(self) -> None:
        self.seen: list[Inventory] = []
        self.child = GpuWatch(0.2, self.seen.append)
        self.child.spawn()

    def until(self, condition: Callable[[Inventory], bool]) -> Inventory:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            self.child.on_tick(time.monotonic())
            if self.seen and condition(self.seen[-1]):
                return self.seen[-1]
            time.sleep(0.02)
        raise AssertionError(f"not seen; the last was {self.seen[-1:]}")


@pytest.fixture
def watch(fleet: Fleet) -> Iterator[Watched]:
    fleet(t4s(2))
    watched = Watched()
    yield watched
    process = watched.child.process
    assert process is not None
    process.kill()
    watched.child.on_exit(process.wait(60))


def test_gpu_that_is_lost_keeps_its_name_and_comes_back(fleet: Fleet, watch: Watched) -> None:
    watch.until(lambda inventory: len(inventory.gpus) == 2)
    gpus = t4s(2)
    gpus[0].lines.append("fail 15")

    fleet(gpus)
    lost = watch.until(lambda inventory: bool(inventory.gpus[0].problem)).gpus[0]
    assert (lost.uuid, lost.product) == (t4s(1)[0].uuid, "Tesla T4")

    fleet(t4s(2))
    watch.until(lambda inventory: not inventory.gpus[0].problem)


def test_critical_error_is_told_at_once_and_stays(fleet: Fleet, watch: Watched) -> None:
    watch.until(lambda inventory: len(inventory.gpus) == 2)
    gpus = t4s(2)
    gpus[1].lines.append("xid 48")

    fleet(gpus)
    bad = watch.until(lambda inventory: bool(inventory.gpus[1].problem)).gpus[1]
    assert (bad.xid, bad.problem) == (48, "the driver reported the critical error XID 48; dmesg says more")

    fleet(t4s(2))
    time.sleep(0.5)
    assert watch.until(lambda inventory: True).gpus[1].xid == 48


def test_error_of_a_program_is_not_the_gpus(fleet: Fleet, watch: Watched) -> None:
    watch.until(lambda inventory: len(inventory.gpus) == 2)
    gpus = t4s(2)
    gpus[1].lines += ["xid 31", "temperature 99"]

    fleet(gpus)

    assert watch.until(lambda inventory: inventory.gpus[1].temperature_c == 99).gpus[1].problem == ""


def test_gpu_that_is_lost_while_it_is_read_keeps_what_it_was(fleet: Fleet, watch: Watched) -> None:
    watch.until(lambda inventory: len(inventory.gpus) == 2)
    gpus = t4s(2)
    gpus[0].lines.append("error nvmlDeviceGetMemoryInfo 15")
    gpus[1].lines += ["error nvmlDeviceGetName 999", "temperature 99"]

    fleet(gpus, "without nvmlDeviceGetMemoryInfo_v2")
    lost, other = watch.until(lambda inventory: inventory.gpus[1].temperature_c == 99).gpus

    assert "fallen off the bus" in lost.problem
    assert (lost.product, lost.memory_total_mib) == ("Tesla T4", 15360)
    assert (other.product, other.problem) == ("Tesla T4", "")


@pytest.mark.parametrize("trouble", ["without nvmlEventSetWait_v2", "error nvmlEventSetWait_v2 15"])
def test_critical_errors_are_heard_again_after_trouble(fleet: Fleet, watch: Watched, trouble: str) -> None:
    watch.until(lambda inventory: len(inventory.gpus) == 2)
    gpus = t4s(2)
    gpus[0].lines.append("temperature 99")
    fleet(gpus, trouble)
    watch.until(lambda inventory: inventory.gpus[0].temperature_c == 99)
    gpus = t4s(2)
    gpus[1].lines.append("xid 48")

    fleet(gpus)

    assert watch.until(lambda inventory: bool(inventory.gpus[1].problem)).gpus[1].xid == 48


# athena plan


def plan(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(["plan", *arguments])
    return status, capsys.readouterr().out


def test_plan_is_shown_without_starting_anything(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet([*t4s(2), *a100s(1, 2)])

    status, text = plan(capsys, "--ability", str(GPU_MODEL), "--ability", str(ECHO), "--json")

    document = json.loads(text)
    assert status == 0
    assert [(worker["service_id"], worker["name"], worker["gpu_id"]) for worker in document["workers"]] == [
        ("gpu_model", "T4G16.0", t4s(2)[0].uuid),
        ("gpu_model", "T4G16.1", t4s(2)[1].uuid),
        ("gpu_model", "A100G80.2", a100s(1, 2)[0].uuid),
        ("echo", "cpu.0", ""),
    ]
    assert (document["refusals"], document["notes"]) == ([], [])


def test_plan_explains_refusals(fleet: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet(h200s(1))

    status, text = plan(capsys, "--ability", str(GPU_MODEL), "--ability", str(ECHO))

    assert status == 1
    assert "gpu_model gets no worker: it needs one of A100G80, T4G16; this host has 1 x H200G141" in text
    assert "GPU 0 (H200G141) is not used: no ability names its type" in text
    assert "echo" in text


def test_operator_renames_types(
    fleet: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet(h200s(1))
    monkeypatch.setenv("ATHENA_GPU_ALIASES", "NVIDIA H200=A100G80")

    status, text = plan(capsys, "--ability", str(GPU_MODEL), "--json")

    assert status == 0
    assert json.loads(text)["workers"][0]["gpu_type"] == "A100G80"


def test_command_writes_one_line_and_ends(fleet: Fleet) -> None:
    fleet(t4s(1))

    done = subprocess.run(
        [sys.executable, "-P", "-m", "athena.devices.driver"], capture_output=True, env=os.environ, check=True
    )

    assert done.stdout.count(b"\n") == 1
    assert Inventory.decode(done.stdout).gpus[0].product == "Tesla T4"
