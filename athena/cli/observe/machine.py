"""What this machine has, as `athena doctor` looks at it."""

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from athena.cli.announcer import log_folder
from athena.cli.observe.listeners import ports
from athena.devices.inventory import NO_DRIVER, GpuDevice, Inventory, devices_of
from athena.devices.memory import free_memory_bytes, memory_bytes
from athena.environments.packages import misfits, versions
from athena.operations.checkup.host import DeviceTrial, Disk, GpuFacts, HostFacts
from athena.runtime.open_files import limits_of_open_files
from athena.setting_listing import unknown_variables
from athena.settings import ADMIN_VARIABLES, Settings, without
from athena.supervisor.gpu_watch import read_inventory
from athena.supervisor.programs import TRIAL
from athena.telemetry.logs import OFF

#: A first session on a GPU loads libraries of gigabytes; one that takes longer hangs.
TRIAL_TIMEOUT_S = 90.0

#: Of what a trial's process wrote to standard error, the end is told.
TOLD_CHARS = 300


def read_machine(settings: Settings) -> HostFacts:
    """Looks at this machine; takes seconds where there are GPUs."""
    inventory = read_inventory()
    trial, cpu_trial = try_device("CPU", "")
    packages = versions()
    is_there = bool(packages["onnxruntime"] or packages["onnxruntime-gpu"])
    return HostFacts(
        versions={"Python": platform.python_version(), **packages},
        misfits=tuple(misfits()),
        onnxruntime=trial["version"],
        providers=tuple(trial["available"]),
        gpus=_gpus(inventory, settings, bool(trial["version"])),
        # Where there is no onnxruntime, there is nothing to be tried; abilities may use something else.
        cpu_trial=cpu_trial if trial["version"] or is_there else None,
        open_files=limits_of_open_files()[1],
        memory_bytes=memory_bytes(),
        free_memory_bytes=free_memory_bytes(),
        disks=tuple(_disks(settings)),
        ports=tuple(ports(settings)),
        unknown_variables=tuple(unknown_variables(os.environ)),
    )


def _gpus(inventory: Inventory, settings: Settings, has_onnxruntime: bool) -> GpuFacts:
    products = {str(gpu.index): gpu.product for gpu in inventory.gpus}
    devices = devices_of(inventory, settings.gpu_aliases)
    return GpuFacts(
        problem="" if inventory.problem == NO_DRIVER else inventory.problem,
        driver=inventory.driver,
        problems=tuple(
            f"{_named(device, products)}: {device.problem}" for device in devices if device.problem
        ),
        trials=tuple(
            try_device(_named(device, products), device.uuid)[1]
            for device in devices
            if has_onnxruntime and not device.problem
        ),
    )


def _named(device: GpuDevice, products: dict[str, str]) -> str:
    return f"GPU {device.label} ({products.get(device.label.partition('m')[0], device.gpu_type)})"


def try_device(name: str, uuid: str, command: Sequence[str] = TRIAL) -> tuple[dict[str, Any], DeviceTrial]:
    """Runs the small model on a device; returns what its process told, and how it fared.

    Args:
        name: what people call the device.
        uuid: what `CUDA_VISIBLE_DEVICES` takes; "" for the CPU.
        command: the program that does it.
    """
    nothing: dict[str, Any] = {"version": "", "available": ()}
    environment = without(os.environ, ADMIN_VARIABLES)
    environment |= {"CUDA_VISIBLE_DEVICES": uuid, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    try:
        ended = subprocess.run(command, env=environment, capture_output=True, timeout=TRIAL_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return nothing, DeviceTrial(name, error=f"no answer within {TRIAL_TIMEOUT_S:g} s")
    said = ended.stderr.decode(errors="replace").strip()[-TOLD_CHARS:]
    try:
        told = orjson.loads(ended.stdout)
    except orjson.JSONDecodeError:
        return nothing, DeviceTrial(name, error=f"its process ended with status {ended.returncode}: {said}")
    # Why CUDA did not start, onnxruntime writes there and nowhere else.
    return told, DeviceTrial(name, tuple(told["used"]), told["is_right"], told["error"], said)


def _disks(settings: Settings) -> Iterator[Disk]:
    """Yields the file systems of the folders that this host has, each once."""
    folders = [settings.data_dir] + ([] if settings.log_dir == OFF else [log_folder(settings)])
    seen: set[int] = set()
    for folder in folders:
        found = _disk(folder)
        if found is not None and (device := folder.stat().st_dev) not in seen:
            seen.add(device)
            yield found


def _disk(folder: Path) -> Disk | None:
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Disk(str(folder), usage.free, usage.total)
