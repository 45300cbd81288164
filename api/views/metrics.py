"""`/metrics`: the fleet, as Prometheus reads it."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.gateway.gateway import Gateway
from api.views.app_samples import app_samples
from api.views.workers import alive_workers, fresh_reports, told_workers
from athena.devices.inventory import Gpu
from athena.fleet.canary import CanaryReport
from athena.fleet.host_report import BROKEN, HostReport
from athena.operations.queues import AbilityLoad, WorkerState, list_hosts, list_queues, list_workers
from athena.operations.quotas import open_of, usage_of
from athena.telemetry.metrics import (
    CANARY_OK,
    CANARY_SECONDS,
    GPU_HEALTHY,
    GPU_MEMORY_TOTAL,
    GPU_MEMORY_USED,
    GPU_POWER,
    GPU_TEMPERATURE,
    GPU_UTILIZATION,
    JOB_RETRIES,
    METRICS,
    QUEUE_JOBS,
    WORKER_ALIVE,
    WORKER_BREAKS,
    WORKER_BROKEN,
    WORKER_MODEL_LOADED,
    WORKER_SLOTS,
    WORKER_SLOTS_BUSY,
    Metric,
    Sample,
)

MIB = 1024 * 1024


class Metrics:
    """Fills the table of metrics from what Redis knows of the fleet."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def show(self) -> Response:
        """Shows the fleet to Prometheus."""
        operate = self._gateway.operate
        (serving, _), reports, loads, counts, today = await asyncio.gather(
            operate(list_workers()),
            operate(list_hosts()),
            operate(list_queues(all_lanes=True)),
            operate(open_of()),
            operate(usage_of(time.time(), 1)),
        )
        samples = [
            *gpu_samples(fresh_reports(reports)),
            *self._worker_samples(serving, reports),
            *_queue_samples(loads),
            *app_samples(counts, today),
            *_canary_samples(self._gateway.canaries.reports),
        ]
        registry = CollectorRegistry()
        registry.register(_Samples(samples))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _worker_samples(self, serving: list[WorkerState], reports: list[HostReport]) -> Iterator[Sample]:
        alive, told = alive_workers(self._gateway), told_workers(reports)
        latest = self._latest(serving)
        for state in latest.values():
            entry = state.entry
            labels = (entry.name, entry.service_id, entry.gpu_type, entry.gpu_id)
            yield Sample(WORKER_MODEL_LOADED, labels, 1)
            yield Sample(WORKER_ALIVE, labels, int(entry.incarnation in alive))
            yield Sample(WORKER_SLOTS, labels, entry.slots)
            yield Sample(WORKER_SLOTS_BUSY, labels, state.held_jobs)
            yield Sample(WORKER_BROKEN, labels, 0)
        for name, status in told.items():
            if name not in latest:
                labels = (status.name, status.service_id, status.gpu_type, status.gpu_id)
                yield Sample(WORKER_MODEL_LOADED, labels, 0)
                yield Sample(WORKER_BROKEN, labels, int(status.state == BROKEN))

    def _latest(self, serving: list[WorkerState]) -> dict[str, WorkerState]:
        """Returns the workers by their names.

        For some seconds after a supervisor's death, the dead process and its successor have the same.
        """
        last_beat_s = self._gateway.watch.fleet.last_beat_s
        by_beat = sorted(serving, key=lambda state: last_beat_s(state.entry.incarnation))
        return {state.entry.name: state for state in by_beat}


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


def _queue_samples(loads: Iterable[AbilityLoad]) -> Iterator[Sample]:
    for load in loads:
        for queue in load.queues:
            yield Sample(QUEUE_JOBS, (load.service_id, queue.name), queue.jobs)
        yield Sample(WORKER_BREAKS, (load.service_id,), load.breaks)
        yield Sample(JOB_RETRIES, (load.service_id,), load.retries)


def _canary_samples(reports: Mapping[str, CanaryReport]) -> Iterator[Sample]:
    for service_id, report in reports.items():
        yield Sample(CANARY_OK, (service_id,), int(not report.detail))
        yield Sample(CANARY_SECONDS, (service_id,), report.took_ms / 1000)


class _Samples:
    """Samples as the client library collects them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_metric: dict[Metric, list[Sample]] = {metric: [] for metric in METRICS}
        for sample in samples:
            self._by_metric[sample.metric].append(sample)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        for metric, samples in self._by_metric.items():
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=metric.labels)
            for sample in samples:
                family.add_metric(sample.labels, sample.value)
            yield family


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("metrics", __name__)
    metrics = Metrics(gateway)
    routes.add_url_rule("/metrics", view_func=metrics.show, endpoint="show")
    return routes
