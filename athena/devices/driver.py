"""Reads from NVIDIA's driver which GPUs a host has, and how they are: `python -m athena.devices.driver`.

A process of its own, because a driver in trouble may not answer for minutes: only this process hangs then. It
writes one `Inventory` a line, as JSON.

Whatever the driver cannot tell is left out. No driver, no GPU, a function that an old driver lacks and a GPU
that has fallen off the bus are states, not errors.
"""

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, BinaryIO

import pynvml

from athena.devices.inventory import NO_DRIVER, Gpu, GpuProcess, Inventory, MigInstance, xid_problem
from athena.devices.nvml import MIB, NO_ANSWER, Questions, answer_or, lost, memory_mib, number, text_of
from athena.devices.visible import visible_part
from athena.devices.xid import CriticalErrors

#: More GPUs than any host has, and more parts than any GPU: a driver that tells more counts wrongly.
MAX_GPUS = 1024
MAX_PARTS = 64

_PROFILE = re.compile(r"(?:\d+c\.)?\d+g\.\d+gb\S*")


class Driver:
    """NVIDIA's management library; opened anew until it is there.

    Args:
        nvml: the module `pynvml`.
    """

    def __init__(self, nvml: Any = pynvml) -> None:
        self._nvml = nvml
        self._is_open = False
        self._errors = CriticalErrors(nvml)
        #: What GPUs were when they were read last: one that is lost does not even tell its UUID.
        self._last: dict[int, Gpu] = {}

    def read(self) -> Inventory:
        """Returns what the host has now."""
        problem = self._open()
        if problem:
            return Inventory(problem)
        nvml = self._nvml
        try:
            count = nvml.nvmlDeviceGetCount()
        except nvml.NVMLError as error:
            self.close()
            return Inventory(f"the driver does not count its GPUs: {text_of(error)}")
        self._errors.open()
        # Before the GPUs are described, so that what was reported by now is in this reading.
        self._errors.read()
        return Inventory(
            driver=answer_or("", nvml.nvmlSystemGetDriverVersion),
            cuda=_cuda_version(answer_or(0, nvml.nvmlSystemGetCudaDriverVersion)),
            gpus=_without_doubles(self._gpu(index) for index in range(min(count, MAX_GPUS))),
        )

    def wait(self, seconds: float) -> None:
        """Waits until a GPU reports a critical error, or the time is over."""
        self._errors.wait(seconds)

    def close(self) -> None:
        """Lets go of the library; a later `read` opens it again."""
        if self._is_open:
            self._is_open = False
            self._errors.close()
            answer_or(None, self._nvml.nvmlShutdown)

    def _open(self) -> str:
        """Returns why the library cannot be opened; "" if it is open."""
        if self._is_open:
            return ""
        nvml = self._nvml
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
                return NO_DRIVER
            return f"the NVIDIA driver cannot be used: {text_of(error)}"
        except (OSError, AttributeError) as error:
            return f"the NVIDIA driver's library cannot be used: {text_of(error)}"
        self._is_open = True
        return ""

    def _gpu(self, index: int) -> Gpu:
        nvml = self._nvml
        last = self._last.get(index, Gpu(index))
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = nvml.nvmlDeviceGetUUID(handle)
        except NO_ANSWER as error:
            return replace(last, problem=lost(error) or f"the driver does not show it: {text_of(error)}")
        self._errors.watch(handle, uuid)
        questions = Questions()
        gpu = self._described(Gpu(index, uuid, xid=self._errors.xids.get(uuid, 0)), handle, questions)
        if uuid == last.uuid:
            # What it is does not change; a driver in trouble may not tell it any more.
            gpu = replace(gpu, product=gpu.product or last.product)
        if not questions.problem:
            self._last[index] = gpu
        elif uuid == last.uuid:
            return replace(last, problem=gpu.problem, xid=gpu.xid)
        return gpu

    def _described(self, gpu: Gpu, handle: Any, questions: Questions) -> Gpu:
        nvml, ask = self._nvml, questions.ask
        # The newer question is the only one that GPUs answer which set memory aside for themselves.
        memory = questions.ask_vital(nvml.nvmlDeviceGetMemoryInfo, handle)
        memory = memory or ask(nvml.nvmlDeviceGetMemoryInfo, handle, nvml.nvmlMemory_v2)
        total_mib, free_mib = memory_mib(memory)
        mode = ask(nvml.nvmlDeviceGetMigMode, handle)
        is_partitioned = mode is not None and mode[0] == nvml.NVML_DEVICE_MIG_ENABLE
        capability = ask(nvml.nvmlDeviceGetCudaComputeCapability, handle)
        kind, since = nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, nvml.NVML_VOLATILE_ECC
        ecc = number(ask(nvml.nvmlDeviceGetTotalEccErrors, handle, kind, since))
        remapped = ask(nvml.nvmlDeviceGetRemappedRows, handle)
        utilization = ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        described = replace(
            gpu,
            product=ask(nvml.nvmlDeviceGetName, handle) or "",
            memory_total_mib=total_mib,
            memory_free_mib=free_mib,
            compute_capability=".".join(map(str, capability)) if capability else "",
            mig=is_partitioned,
            mig_instances=tuple(self._instances(handle)) if is_partitioned else (),
            processes=self._processes(handle, questions),
            ecc_uncorrected=ecc,
            utilization=_scaled(utilization and utilization.gpu, 100),
            temperature_c=number(ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU)),
            power_w=_scaled(ask(nvml.nvmlDeviceGetPowerUsage, handle), 1000),
            power_limit_w=_scaled(ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle), 1000),
        )
        return replace(described, problem=questions.problem or judge(ecc, remapped, gpu.xid))

    def _instances(self, handle: Any) -> list[MigInstance]:
        nvml = self._nvml
        count = answer_or(0, nvml.nvmlDeviceGetMaxMigDeviceCount, handle)
        found: list[MigInstance] = []
        homes: list[object] = []
        for index in range(min(count, MAX_PARTS)):
            try:
                part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
                uuid = nvml.nvmlDeviceGetUUID(part)
            except NO_ANSWER:
                continue
            found.append(self._instance(index, uuid, part))
            homes.append(answer_or(uuid, nvml.nvmlDeviceGetGpuInstanceId, part))
        # Compute instances of one GPU instance share its memory, and each tells all of it.
        sharing = Counter(homes)
        return [_part_of(item, sharing[home]) for item, home in zip(found, homes, strict=True)]

    def _instance(self, index: int, uuid: str, handle: Any) -> MigInstance:
        nvml = self._nvml
        total_mib, free_mib = memory_mib(answer_or(None, nvml.nvmlDeviceGetMemoryInfo, handle))
        attributes = answer_or(None, nvml.nvmlDeviceGetAttributes_v2, handle)
        slices = number(attributes.gpuInstanceSliceCount) if attributes else 0
        if not total_mib and attributes:
            total_mib = free_mib = number(attributes.memorySizeMB) or 0
        profile = _PROFILE.search(answer_or("", nvml.nvmlDeviceGetName, handle))
        return MigInstance(index, uuid, profile[0] if profile else "", slices or 0, total_mib, free_mib)

    def _processes(self, handle: Any, questions: Questions) -> tuple[GpuProcess, ...]:
        nvml = self._nvml
        asked = questions.ask(nvml.nvmlDeviceGetComputeRunningProcesses_v3, handle)
        if asked is None:
            asked = questions.ask(nvml.nvmlDeviceGetComputeRunningProcesses_v2, handle) or []
        return tuple(
            GpuProcess(item.pid, None if item.usedGpuMemory is None else item.usedGpuMemory // MIB)
            for item in asked
        )


def judge(ecc_uncorrected: int | None, remapped_rows: Any, xid: int) -> str:
    """Returns why nothing should run on a GPU that still answers; "" if nothing speaks against it.

    Args:
        ecc_uncorrected: errors that could not be corrected, since the driver was loaded.
        remapped_rows: (correctable, uncorrectable, whether a remapping waits for a reset, whether one
            failed).
        xid: the last critical error.
    """
    if xid:
        return xid_problem(xid)
    if ecc_uncorrected:
        return f"{ecc_uncorrected} memory errors could not be corrected (ECC); reset the GPU"
    if remapped_rows and number(remapped_rows[3]):
        return "its memory has more bad rows than it can replace; the GPU must be replaced"
    return ""


def _part_of(instance: MigInstance, count: int) -> MigInstance:
    return replace(
        instance,
        memory_total_mib=instance.memory_total_mib // count,
        memory_free_mib=instance.memory_free_mib // count,
    )


def _without_doubles(gpus: Iterable[Gpu]) -> tuple[Gpu, ...]:
    """Returns the GPUs; one that has the UUID of another cannot be told from it, so it is not used."""
    first: dict[str, int] = {}
    found = []
    for gpu in gpus:
        other = first.setdefault(gpu.uuid, gpu.index) if gpu.uuid else gpu.index
        problem = "" if other == gpu.index else f"it has the UUID of GPU {other}"
        found.append(replace(gpu, problem=gpu.problem or problem))
    return tuple(found)


def _scaled(value: int | None, divisor: int) -> float | None:
    known = number(value)
    return None if known is None else known / divisor


def _cuda_version(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}" if version else ""


def _own_output() -> BinaryIO:
    """Returns our output, and gives the driver's library another one: what it prints goes to stderr."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return output


def main() -> int:
    """Writes the inventory once, or again and again until nobody reads it."""
    parser = argparse.ArgumentParser(
        prog="python -m athena.devices.driver", description="describes this host's GPUs"
    )
    parser.add_argument("--every", type=float, metavar="SECONDS", help="again and again, until nobody reads")
    options = parser.parse_args()
    output = _own_output()
    driver = Driver()
    while True:
        inventory = visible_part(driver.read(), os.environ.get("CUDA_VISIBLE_DEVICES"))
        output.write(inventory.encode() + b"\n")
        output.flush()
        if options.every is None:
            return 0
        driver.wait(options.every)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
