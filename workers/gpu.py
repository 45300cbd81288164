"""Reads from NVIDIA's driver which GPUs a host has, and how they are: `python -m workers.gpu`.

A process of its own, because a driver in trouble may not answer for minutes: only this process hangs then. It
writes one `Inventory` a line, as JSON.

Whatever the driver cannot tell is left out. No driver, no GPU, a function that an old driver lacks and a GPU
that has fallen off the bus are states, not errors.
"""

import argparse
import logging
import re
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import pynvml

from athena.inventory import Gpu, GpuProcess, Inventory, MigInstance

T = TypeVar("T")

logger = logging.getLogger(__name__)

MIB = 1024 * 1024

#: Errors that a program causes and not the GPU (XIDs, as NVIDIA's catalogue numbers them).
PROGRAM_XIDS = frozenset({13, 31, 43, 45, 68, 109})

#: What pynvml raises where there is no answer: the driver's errors, its own, and names that are no text.
NO_ANSWER = (pynvml.NVMLError, pynvml.NVMLLibraryMismatchError, UnicodeDecodeError)

#: Answers that say nothing of a GPU's health: the question is not known to the driver, or not for this GPU.
_UNKNOWN_QUESTION = frozenset(
    {
        pynvml.NVML_ERROR_NOT_SUPPORTED,
        pynvml.NVML_ERROR_FUNCTION_NOT_FOUND,
        pynvml.NVML_ERROR_NO_PERMISSION,
        pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH,
    }
)

_OFF_THE_BUS = "it has fallen off the bus; the host must be restarted"


class Driver:
    """NVIDIA's management library; opened anew until it is there.

    Args:
        nvml: the module `pynvml`.
    """

    def __init__(self, nvml: Any = pynvml) -> None:
        self._nvml = nvml
        self._is_open = False
        self._events: Any = None
        self._watched: set[str] = set()
        #: What GPUs were when they were read last: one that is lost does not even tell its UUID.
        self._last: dict[int, Gpu] = {}
        #: UUID -> the last critical error of that GPU.
        self._xids: dict[str, int] = {}

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
            return Inventory(f"the driver does not count its GPUs: {error}")
        self._read_events()
        return Inventory(
            driver=_or(nvml.nvmlSystemGetDriverVersion, ""),
            cuda=_cuda_version(_or(nvml.nvmlSystemGetCudaDriverVersion, 0)),
            gpus=tuple(self._gpu(index) for index in range(count)),
        )

    def wait(self, seconds: float) -> None:
        """Waits until a GPU reports a critical error, or the time is over."""
        end_s = time.monotonic() + seconds
        if self._events is None or not self._watched:
            time.sleep(seconds)
            return
        while (left_s := end_s - time.monotonic()) > 0:
            try:
                if self._note(self._nvml.nvmlEventSetWait_v2(self._events, max(1, int(left_s * 1000)))):
                    return
            except self._nvml.NVMLError as error:
                if error.value == self._nvml.NVML_ERROR_TIMEOUT:
                    return
                self._events = None
                time.sleep(max(0.0, end_s - time.monotonic()))
                return

    def close(self) -> None:
        """Lets go of the library; a later `read` opens it again."""
        if self._is_open:
            self._is_open = False
            self._events = None
            self._watched.clear()
            _or(self._nvml.nvmlShutdown, None)

    def _open(self) -> str:
        """Returns why the library cannot be opened; "" if it is open."""
        if self._is_open:
            return ""
        nvml = self._nvml
        try:
            nvml.nvmlInit()
        except nvml.NVMLError as error:
            if error.value == nvml.NVML_ERROR_LIBRARY_NOT_FOUND:
                return "there is no NVIDIA driver"
            return f"the NVIDIA driver cannot be used: {error}"
        except (OSError, AttributeError) as error:
            return f"the NVIDIA driver's library cannot be used: {error}"
        self._is_open = True
        self._events = _or(nvml.nvmlEventSetCreate, None)
        return ""

    def _gpu(self, index: int) -> Gpu:
        nvml = self._nvml
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            uuid = nvml.nvmlDeviceGetUUID(handle)
        except NO_ANSWER as error:
            problem = _lost(error) or f"the driver does not show it: {error}"
            return replace(self._last.get(index, Gpu(index)), problem=problem)
        self._watch(handle, uuid)
        questions = _Questions()
        memory = questions.ask_vital(nvml.nvmlDeviceGetMemoryInfo, handle)
        mig = bool((questions.ask(nvml.nvmlDeviceGetMigMode, handle) or [0])[0])
        capability = questions.ask(nvml.nvmlDeviceGetCudaComputeCapability, handle)
        ecc = questions.ask(
            nvml.nvmlDeviceGetTotalEccErrors,
            handle,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_VOLATILE_ECC,
        )
        remapped = questions.ask(nvml.nvmlDeviceGetRemappedRows, handle)
        utilization = questions.ask(nvml.nvmlDeviceGetUtilizationRates, handle)
        power_mw = questions.ask(nvml.nvmlDeviceGetPowerUsage, handle)
        limit_mw = questions.ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
        gpu = Gpu(
            index=index,
            uuid=uuid,
            product=questions.ask(nvml.nvmlDeviceGetName, handle) or "",
            memory_total_mib=_mib(memory, "total"),
            memory_free_mib=_mib(memory, "free"),
            compute_capability=".".join(map(str, capability)) if capability else "",
            mig=mig,
            mig_instances=tuple(self._instances(handle)) if mig else (),
            processes=self._processes(handle, questions),
            ecc_uncorrected=ecc,
            xid=self._xids.get(uuid, 0),
            utilization=utilization.gpu / 100 if utilization else None,
            temperature_c=questions.ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            power_w=power_mw / 1000 if power_mw is not None else None,
            power_limit_w=limit_mw / 1000 if limit_mw is not None else None,
            problem=questions.problem or judge(ecc, remapped, self._xids.get(uuid, 0)),
        )
        if not questions.problem:
            self._last[index] = gpu
        return gpu

    def _instances(self, handle: Any) -> list[MigInstance]:
        nvml = self._nvml
        count = _or(lambda: nvml.nvmlDeviceGetMaxMigDeviceCount(handle), 0)
        found = []
        for index in range(count):
            try:
                instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
                uuid = nvml.nvmlDeviceGetUUID(instance)
            except NO_ANSWER:
                continue
            found.append(self._instance(index, uuid, instance))
        return found

    def _instance(self, index: int, uuid: str, handle: Any) -> MigInstance:
        nvml = self._nvml
        memory = _or(lambda: nvml.nvmlDeviceGetMemoryInfo(handle), None)
        attributes = _or(lambda: nvml.nvmlDeviceGetAttributes_v2(handle), None)
        profile = re.search(r"\d+g\.\d+gb\S*", _or(lambda: nvml.nvmlDeviceGetName(handle), ""))
        total_mib = _mib(memory, "total") or int(getattr(attributes, "memorySizeMB", 0) or 0)
        return MigInstance(
            index=index,
            uuid=uuid,
            profile=profile[0] if profile else "",
            slices=int(getattr(attributes, "gpuInstanceSliceCount", 0) or 0),
            memory_total_mib=total_mib,
            memory_free_mib=_mib(memory, "free") or (total_mib if memory is None else 0),
        )

    def _processes(self, handle: Any, questions: "_Questions") -> tuple[GpuProcess, ...]:
        nvml = self._nvml
        asked = questions.ask(nvml.nvmlDeviceGetComputeRunningProcesses_v3, handle)
        if asked is None:
            asked = questions.ask(nvml.nvmlDeviceGetComputeRunningProcesses_v2, handle) or []
        return tuple(
            GpuProcess(item.pid, None if item.usedGpuMemory is None else item.usedGpuMemory // MIB)
            for item in asked
        )

    def _watch(self, handle: Any, uuid: str) -> None:
        if self._events is None or uuid in self._watched:
            return
        try:
            self._nvml.nvmlDeviceRegisterEvents(
                handle, self._nvml.nvmlEventTypeXidCriticalError, self._events
            )
        except self._nvml.NVMLError:
            return
        self._watched.add(uuid)

    def _read_events(self) -> None:
        """Takes in the critical errors that were reported since."""
        while self._events is not None and self._watched:
            try:
                self._note(self._nvml.nvmlEventSetWait_v2(self._events, 0))
            except self._nvml.NVMLError as error:
                if error.value != self._nvml.NVML_ERROR_TIMEOUT:
                    self._events = None
                return

    def _note(self, event: Any) -> bool:
        """Notes a critical error; returns whether it says something of the GPU's health."""
        nvml = self._nvml
        if event.eventType != nvml.nvmlEventTypeXidCriticalError or event.eventData in PROGRAM_XIDS:
            return False
        uuid = _or(lambda: nvml.nvmlDeviceGetUUID(event.device), "")
        # A driver that cannot say which GPU it was may mean any of them.
        for known in [uuid] if uuid else list(self._watched):
            self._xids[known] = int(event.eventData)
        return True


class _Questions:
    """Asks one GPU; remembers the first answer that speaks against its health."""

    def __init__(self) -> None:
        self.problem = ""

    def ask(self, function: Callable[..., T], *args: Any) -> T | None:
        """Returns the driver's answer; None if it has none, which only counts if the GPU is lost."""
        try:
            return function(*args)
        except NO_ANSWER as error:
            self.problem = self.problem or _lost(error)
            return None

    def ask_vital(self, function: Callable[..., T], *args: Any) -> T | None:
        """As `ask`, for what a driver can tell of every GPU that works, if it knows the question."""
        try:
            return function(*args)
        except NO_ANSWER as error:
            if getattr(error, "value", None) not in _UNKNOWN_QUESTION:
                self.problem = self.problem or _lost(error) or f"the driver does not read it: {error}"
            return None


def judge(ecc_uncorrected: int | None, remapped_rows: Any, xid: int) -> str:
    """Returns why nothing should run on a GPU that still answers; "" if nothing speaks against it.

    Args:
        ecc_uncorrected: errors that could not be corrected, since the driver was loaded.
        remapped_rows: (correctable, uncorrectable, whether a remapping waits for a reset, whether one
            failed).
        xid: the last critical error.
    """
    if xid:
        return f"the driver reported the critical error XID {xid}; dmesg says more"
    if ecc_uncorrected:
        return f"{ecc_uncorrected} memory errors could not be corrected (ECC); reset the GPU"
    if remapped_rows and remapped_rows[3]:
        return "its memory has more bad rows than it can replace; the GPU must be replaced"
    return ""


def _lost(error: Any) -> str:
    code = getattr(error, "value", None)
    if code == pynvml.NVML_ERROR_GPU_IS_LOST:
        return _OFF_THE_BUS
    if code == pynvml.NVML_ERROR_RESET_REQUIRED:
        return "it must be reset"
    return ""


def _or(function: Callable[[], T], default: T) -> T:
    try:
        return function()
    except NO_ANSWER:
        return default


def _mib(memory: Any, name: str) -> int:
    return int(getattr(memory, name, 0) or 0) // MIB


def _cuda_version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}" if number else ""


def main() -> int:
    """Writes the inventory once, or again and again until nobody reads it."""
    parser = argparse.ArgumentParser(prog="python -m workers.gpu", description="describes this host's GPUs")
    parser.add_argument("--every", type=float, metavar="SECONDS", help="again and again, until nobody reads")
    options = parser.parse_args()
    driver = Driver()
    while True:
        sys.stdout.buffer.write(driver.read().encode() + b"\n")
        sys.stdout.buffer.flush()
        if options.every is None:
            return 0
        driver.wait(options.every)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BrokenPipeError, KeyboardInterrupt):
        sys.exit(0)
