"""How GPUs are, for Prometheus."""

from collections.abc import Iterable, Iterator

from athena.devices.inventory import Gpu
from athena.fleet.host_report import HostReport
from athena.telemetry.metrics import (
    GPU_HEALTHY,
    GPU_MEMORY_TOTAL,
    GPU_MEMORY_USED,
    GPU_POWER,
    GPU_TEMPERATURE,
    GPU_UTILIZATION,
    Sample,
)

MIB = 1024 * 1024


def gpu_samples(reports: Iterable[HostReport]) -> Iterator[Sample]:
    """Returns what hosts tell of their GPUs; what a driver does not tell is left out."""
    seen: set[tuple[str, ...]] = set()
    for report in reports:
        for gpu in report.inventory.gpus:
            labels = (report.host, str(gpu.index), gpu.uuid, gpu.product)
            # Several supervisors may share a host.
            if labels not in seen:
                seen.add(labels)
                yield from _samples(gpu, labels)


def _samples(gpu: Gpu, labels: tuple[str, ...]) -> Iterator[Sample]:
    used_mib = gpu.memory_total_mib - gpu.memory_free_mib
    yield Sample(GPU_HEALTHY, labels, 0 if gpu.problem else 1)
    if gpu.memory_total_mib:
        yield Sample(GPU_MEMORY_TOTAL, labels, gpu.memory_total_mib * MIB)
        yield Sample(GPU_MEMORY_USED, labels, used_mib * MIB)
    for metric, value in (
        (GPU_UTILIZATION, gpu.utilization),
        (GPU_TEMPERATURE, gpu.temperature_c),
        (GPU_POWER, gpu.power_w),
    ):
        if value is not None:
            yield Sample(metric, labels, value)
