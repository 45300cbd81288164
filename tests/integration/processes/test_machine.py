"""What `athena doctor` reads of a machine: programs of its own, with and without GPUs."""

import sys
from pathlib import Path

import pytest

from athena.cli.observe import machine
from athena.cli.observe.machine import read_machine, try_device
from athena.devices.inventory import NO_DRIVER, Inventory
from athena.operations.checkup.host import GpuFacts, host_ailments
from athena.settings import from_env
from tests import nvml
from tests.ports import free_port


def settings_in(folder: Path) -> dict[str, str]:
    return {"ATHENA_DATA_DIR": str(folder), "ATHENA_PORT": str(free_port()), "ATHENA_FLOWER_PORT": "0"}


def test_machine_without_gpu_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "read_inventory", lambda: Inventory(NO_DRIVER))

    facts = read_machine(from_env(settings_in(tmp_path)))

    assert facts.gpus == GpuFacts()
    assert facts.cpu_trial is not None and facts.cpu_trial.is_right
    assert facts.memory_bytes > (facts.free_memory_bytes or 0) > 0
    assert [disk.folder for disk in facts.disks] == [str(tmp_path)]
    assert facts.versions["Python"] == sys.version.split()[0]


def test_gpu_that_the_model_does_not_reach_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = tmp_path / "fleet"
    bad = nvml.StandInGpu("Tesla T4", "GPU-00000009-7474-0000-0000-000000000000", 15360, ["fail 15"])
    nvml.write_fleet(fleet, [*nvml.t4s(1), bad])
    for name, value in nvml.environment(nvml.build(tmp_path / "library"), fleet).items():
        monkeypatch.setenv(name, value)

    facts = read_machine(from_env(settings_in(tmp_path)))

    # The driver's answers are a stand-in's: nothing can run there, and this must not be told as well.
    assert facts.gpus.driver == "550.54.15"
    [trial] = facts.gpus.trials
    assert trial.device == "GPU 0 (Tesla T4)" and "CUDAExecutionProvider" not in trial.used
    [problem] = facts.gpus.problems
    assert problem.startswith("GPU 1 (")
    told = [item.what for item in host_ailments(facts)]
    assert any("GPU 0 (Tesla T4)" in what for what in told) and problem in told


def test_trial_that_ends_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    python = (sys.executable, "-c")

    told, ended = try_device(
        "GPU 0", "GPU-x", (*python, "import os, sys; print('boom', file=sys.stderr); os._exit(3)")
    )
    assert told["version"] == "" and ended.error == "its process ended with status 3: boom"

    monkeypatch.setattr(machine, "TRIAL_TIMEOUT_S", 0.5)
    _, hung = try_device("GPU 0", "GPU-x", (*python, "import time; time.sleep(60)"))
    assert hung.error == "no answer within 0.5 s"


def test_trial_sees_its_device_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATHENA_ADMIN_TOKEN", "hunter2-hunter2-hunter2")
    program = (
        "import json, os; print(json.dumps({'version': os.environ['CUDA_VISIBLE_DEVICES'], 'available': [],"
        " 'used': [], 'is_right': 'ATHENA_ADMIN_TOKEN' not in os.environ, 'error': ''}))"
    )

    told, trial = try_device("GPU 0", "GPU-x", (sys.executable, "-c", program))

    assert told["version"] == "GPU-x" and trial.is_right
