"""Who works, and on what: `/v1/workers`."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response

from api.gateway.gateway import Gateway
from api.http.answers import json_response
from athena.fleet.host_report import SERVING, HostReport, WorkerStatus
from athena.operations.queues import WorkerState, list_hosts, list_workers


def alive_workers(gateway: Gateway) -> set[str]:
    """Returns the incarnations of the workers whose hearts beat."""
    return {worker.incarnation for worker in gateway.watch.fleet.live_workers(time.monotonic())}


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

    def _workers(self, serving: list[WorkerState], reports: list[HostReport]) -> list[dict[str, Any]]:
        alive = alive_workers(self._gateway)
        told = told_workers(reports)
        listed = [_worker(state, state.entry.incarnation in alive, told) for state in serving]
        names = {state.entry.name for state in serving}
        listed += [_absent(status) for name, status in told.items() if name not in names]
        return sorted(listed, key=lambda worker: str(worker["name"]))


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
        "unbatched": (status.unbatched or None) if status else None,
        "order": state.order or None,
    }


def _absent(status: WorkerStatus) -> dict[str, Any]:
    return {
        **asdict(status),
        "gpu_id": status.gpu_id or None,
        "unbatched": status.unbatched or None,
        "model_loaded": False,
    }


def _host(report: HostReport) -> dict[str, Any]:
    described = asdict(report)
    described.pop("workers")
    return {**described, "is_stale": _is_stale(report)}


def fresh_reports(reports: Iterable[HostReport]) -> list[HostReport]:
    """Returns the reports of supervisors that are alive, the last word last."""
    return sorted((report for report in reports if not _is_stale(report)), key=lambda report: report.told_ms)


def told_workers(reports: Iterable[HostReport]) -> dict[str, WorkerStatus]:
    """Returns what supervisors that are alive tell of their workers, by name."""
    return {status.name: status for report in fresh_reports(reports) for status in report.workers}


def _is_stale(report: HostReport) -> bool:
    return report.is_stale(time.time())


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("workers", __name__)
    workers = Workers(gateway)
    routes.add_url_rule("/v1/workers", view_func=workers.index, endpoint="index")
    return routes
