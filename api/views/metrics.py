"""`/metrics`: the fleet, as Prometheus reads it."""

import asyncio
import time
from collections.abc import Iterator, Mapping

from flask import Blueprint, Response

from api.gateway.gateway import Gateway
from api.samples.apps import app_samples
from api.samples.gateways import gateway_samples, http_samples
from api.samples.gpus import gpu_samples
from api.samples.jobs import job_samples
from api.samples.queues import demand_samples, load_samples, queue_samples
from api.samples.redis import redis_samples
from api.samples.workers import Crew, crew_samples, told_by_the_lost, worker_samples
from api.views.workers import alive_workers, fresh_reports, told_workers
from athena.errors import StoreError
from athena.fleet.canary import CanaryReport
from athena.fleet.host_report import HostReport
from athena.operations.queues import WorkerState, list_hosts, list_workers
from athena.operations.quotas import open_of, usage_of
from athena.operations.surveys import count_dead_letters, list_gateways, ping, survey_abilities
from athena.store.counts import Survey
from athena.telemetry.exposition import CONTENT_TYPE, Exposition
from athena.telemetry.metrics import CANARY_OK, CANARY_SECONDS, DEAD_LETTERS, Sample


class Metrics:
    """Fills the table of metrics from what Redis knows of the fleet."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def show(self) -> Response:
        """Shows the fleet to Prometheus."""
        page = Exposition()
        try:
            latency_s = await self._latency_s()
            await self._show_fleet(page)
        except StoreError:
            # Whoever is to be told of it must hear something.
            page, latency_s = Exposition(), None
            page.add(gateway_samples([(self._gateway.describe(), True)]))
        page.add(redis_samples(latency_s, self._gateway.watch.redis_info))
        return Response(page.text(), content_type=CONTENT_TYPE)

    async def _latency_s(self) -> float:
        began_s = time.perf_counter()
        await self._gateway.operate(ping())
        return time.perf_counter() - began_s

    async def _show_fleet(self, page: Exposition) -> None:
        operate, interfaces = self._gateway.operate, self._gateway.watch.fleet.interfaces
        fleet = asyncio.gather(
            operate(list_workers()),
            operate(list_hosts()),
            # The last one is of requests for no ability.
            operate(survey_abilities([*sorted(interfaces), ""])),
        )
        others = asyncio.gather(
            operate(list_gateways()),
            operate(count_dead_letters()),
            operate(open_of()),
            operate(usage_of(time.time(), 1)),
        )
        ((serving, _), reports, surveys), (gateways, dead, counts, today) = await asyncio.gather(
            fleet, others
        )
        page.add(gpu_samples(fresh_reports(reports)))
        page.add(app_samples(counts, today))
        page.add(_canary_samples(self._gateway.canaries.reports))
        page.add(gateway_samples(gateways))
        page.add([Sample(DEAD_LETTERS, (), dead)])
        await self._show_abilities(page, surveys, self._crew(serving, reports))

    async def _show_abilities(self, page: Exposition, surveys: list[Survey], crew: Crew) -> None:
        interfaces = self._gateway.watch.fleet.interfaces
        types = _types_of(surveys, crew)
        slots, held, gpus = crew.slots(), crew.held(), crew.types_of_gpus()
        page.add(worker_samples(crew))
        for survey in surveys:
            service_id = survey.service_id
            page.add(http_samples(service_id, survey.counts))
            interface = interfaces.get(service_id)
            if interface is not None:
                page.add(job_samples(survey))
                page.add(queue_samples(survey, interface))
                page.add(crew_samples(crew, service_id, types[service_id]))
                own_slots = dict.fromkeys(types[service_id], 0) | slots.get(service_id, {})
                jobs_held: Mapping[str, int] = held.get(service_id, {})
                page.add(load_samples(survey, own_slots, jobs_held, gpus))
                # A type that had no worker yet may be waited for all the same.
                all_types = dict.fromkeys(interface.gpu_types, 0) | own_slots
                all_types.pop("", None)
                page.add(demand_samples(survey, all_types, jobs_held, gpus))
            # Callers have their turn between: a large fleet takes a while to write.
            await asyncio.sleep(0)

    def _crew(self, serving: list[WorkerState], reports: list[HostReport]) -> Crew:
        told = told_workers(reports)
        lost = told_by_the_lost(reports, told)
        return Crew(self._latest(serving), alive_workers(self._gateway), told, lost)

    def _latest(self, serving: list[WorkerState]) -> dict[str, WorkerState]:
        """Returns the workers by their names.

        For some seconds after a supervisor's death, the dead process and its successor have the same.
        """
        last_beat_s = self._gateway.watch.fleet.last_beat_s
        by_beat = sorted(serving, key=lambda state: last_beat_s(state.entry.incarnation))
        return {state.entry.name: state for state in by_beat}


def _types_of(surveys: list[Survey], crew: Crew) -> dict[str, list[str]]:
    """Returns the GPU types that each ability is told of: those that it is, is to be, or was served on."""
    expected = crew.expected
    return {
        survey.service_id: sorted(
            set(expected.get(survey.service_id, ()))
            | {gpu_type for (gpu_type,) in survey.counts.of("loaded_ms")}
        )
        # One that a version before this one served has no history.
        or [""]
        for survey in surveys
    }


def _canary_samples(reports: Mapping[str, CanaryReport]) -> Iterator[Sample]:
    for service_id, report in reports.items():
        yield Sample(CANARY_OK, (service_id,), int(not report.detail))
        yield Sample(CANARY_SECONDS, (service_id,), report.took_ms / 1000)


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("metrics", __name__)
    metrics = Metrics(gateway)
    routes.add_url_rule("/metrics", view_func=metrics.show, endpoint="show")
    return routes
