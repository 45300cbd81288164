"""Who works, and on what: `/v1/workers` for people, `/metrics` for Prometheus."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from api.gateway.gateway import Gateway
from api.http.answers import json_response
from athena.fleet.host_report import SERVING, HostReport, WorkerStatus
from athena.operations.queues import AbilityLoad, WorkerState, list_hosts, list_queues, list_workers
from athena.telemetry.metrics import (
    METRICS,
    QUEUE_JOBS,
    WORKER_ALIVE,
    WORKER_MODEL_LOADED,
    WORKER_SLOTS,
    WORKER_SLOTS_BUSY,
    Metric,
    Sample,
    gpu_samples,
)


class Workers:
    """Answers questions about workers and GPUs."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def index(self) -> Response:
        """Lists the workers of all hosts, and the hosts' GPUs."""
        operate = self._gateway.operate
        (serving, drained), reports = await asyncio.gather(operate(list_workers()), operate(list_hosts()))
        return json_response(
            {
                "workers": self._workers(serving, reports),
                "hosts": [_host(report) for report in reports],
                "drained": drained,
            }
        )

    async def metrics(self) -> Response:
        """Shows the fleet to Prometheus."""
        operate = self._gateway.operate
        (serving, _), reports, loads = await asyncio.gather(
            operate(list_workers()), operate(list_hosts()), operate(list_queues(all_lanes=True))
        )
        samples = [
            *gpu_samples(_fresh(reports)),
            *self._worker_samples(serving, reports),
            *_queue_samples(loads),
        ]
        registry = CollectorRegistry()
        registry.register(_Samples(samples))
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    def _alive(self) -> set[str]:
        fleet = self._gateway.watch.fleet
        return {worker.incarnation for worker in fleet.live_workers(time.monotonic())}

    def _workers(self, serving: list[WorkerState], reports: list[HostReport]) -> list[dict[str, Any]]:
        alive = self._alive()
        told = _told(reports)
        listed = [_worker(state, state.entry.incarnation in alive, told) for state in serving]
        names = {state.entry.name for state in serving}
        listed += [_absent(status) for name, status in told.items() if name not in names]
        return sorted(listed, key=lambda worker: str(worker["name"]))

    def _worker_samples(self, serving: list[WorkerState], reports: list[HostReport]) -> Iterator[Sample]:
        alive, told = self._alive(), _told(reports)
        latest = self._latest(serving)
        for state in latest.values():
            entry = state.entry
            labels = (entry.name, entry.service_id, entry.gpu_type, entry.gpu_id)
            yield Sample(WORKER_MODEL_LOADED, labels, 1)
            yield Sample(WORKER_ALIVE, labels, int(entry.incarnation in alive))
            yield Sample(WORKER_SLOTS, labels, entry.slots)
            yield Sample(WORKER_SLOTS_BUSY, labels, state.held_jobs)
        for name, status in told.items():
            if name not in latest:
                labels = (status.name, status.service_id, status.gpu_type, status.gpu_id)
                yield Sample(WORKER_MODEL_LOADED, labels, 0)

    def _latest(self, serving: list[WorkerState]) -> dict[str, WorkerState]:
        """Returns the workers by their names.

        For some seconds after a supervisor's death, the dead process and its successor have the same.
        """
        last_beat_s = self._gateway.watch.fleet.last_beat_s
        by_beat = sorted(serving, key=lambda state: last_beat_s(state.entry.incarnation))
        return {state.entry.name: state for state in by_beat}


def _worker(state: WorkerState, is_alive: bool, told: dict[str, WorkerStatus]) -> dict[str, Any]:
    entry = state.entry
    status = told.get(entry.name)
    return {
        "name": entry.name,
        "service_id": entry.service_id,
        "version": entry.version,
        "gpu_type": entry.gpu_type,
        "gpu_id": entry.gpu_id or None,
        "gpu": entry.gpu_label or None,
        "host": entry.host,
        "state": (status.state if status else SERVING) if is_alive else "silent",
        "model_loaded": True,
        "slots": entry.slots,
        "slots_busy": state.held_jobs,
        "order": state.order or None,
    }


def _absent(status: WorkerStatus) -> dict[str, Any]:
    return {**asdict(status), "gpu_id": status.gpu_id or None, "model_loaded": False}


def _host(report: HostReport) -> dict[str, Any]:
    described = asdict(report)
    described.pop("workers")
    return {**described, "is_stale": _is_stale(report)}


def _fresh(reports: Iterable[HostReport]) -> list[HostReport]:
    """Returns the reports of supervisors that are alive, the last word last."""
    return sorted((report for report in reports if not _is_stale(report)), key=lambda report: report.told_ms)


def _told(reports: Iterable[HostReport]) -> dict[str, WorkerStatus]:
    return {status.name: status for report in _fresh(reports) for status in report.workers}


def _is_stale(report: HostReport) -> bool:
    return report.is_stale(time.time())


def _queue_samples(loads: Iterable[AbilityLoad]) -> Iterator[Sample]:
    for load in loads:
        for queue in load.queues:
            yield Sample(QUEUE_JOBS, (load.service_id, queue.name), queue.jobs)


class _Samples:
    """Samples as the client library collects them."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self._by_metric: dict[Metric, list[Sample]] = {metric: [] for metric in METRICS}
        for sample in samples:
            self._by_metric[sample.metric].append(sample)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        for metric, samples in self._by_metric.items():
            family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
            for sample in samples:
                family.add_metric(sample.labels, sample.value)
            yield family


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("workers", __name__)
    workers = Workers(gateway)
    routes.add_url_rule("/v1/workers", view_func=workers.index, endpoint="index")
    routes.add_url_rule("/metrics", view_func=workers.metrics, endpoint="metrics")
    return routes
