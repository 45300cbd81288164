"""`/metrics`: the fleet, as Prometheus reads it."""

import asyncio
import time
from collections.abc import Iterator, Mapping

from flask import Blueprint, Response

from api.gateway.gateway import Gateway
from api.samples.apps import app_samples
from api.samples.gpus import gpu_samples
from api.samples.jobs import job_samples
from api.samples.queues import load_samples, queue_samples
from api.samples.workers import Crew, crew_samples, told_by_the_lost, worker_samples
from api.views.workers import alive_workers, fresh_reports, told_workers
from athena.fleet.canary import CanaryReport
from athena.fleet.host_report import HostReport
from athena.operations.queues import WorkerState, list_hosts, list_workers
from athena.operations.quotas import open_of, usage_of
from athena.operations.surveys import count_dead_letters, survey_abilities
from athena.store.counts import Survey
from athena.telemetry.exposition import CONTENT_TYPE, render
from athena.telemetry.metrics import CANARY_OK, CANARY_SECONDS, DEAD_LETTERS, Sample


class Metrics:
    """Fills the table of metrics from what Redis knows of the fleet."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def show(self) -> Response:
        """Shows the fleet to Prometheus."""
        operate, interfaces = self._gateway.operate, self._gateway.watch.fleet.interfaces
        (serving, _), reports, surveys, dead, counts, today = await asyncio.gather(
            operate(list_workers()),
            operate(list_hosts()),
            operate(survey_abilities(sorted(interfaces))),
            operate(count_dead_letters()),
            operate(open_of()),
            operate(usage_of(time.time(), 1)),
        )
        samples = [
            *gpu_samples(fresh_reports(reports)),
            *app_samples(counts, today),
            *_canary_samples(self._gateway.canaries.reports),
            Sample(DEAD_LETTERS, (), dead),
        ]
        crew = self._crew(serving, reports)
        samples += worker_samples(crew)
        samples += self._ability_samples(surveys, crew)
        return Response(render(samples), content_type=CONTENT_TYPE)

    def _ability_samples(self, surveys: list[Survey], crew: Crew) -> Iterator[Sample]:
        interfaces = self._gateway.watch.fleet.interfaces
        types = _types_of(surveys, crew)
        slots, held, gpus = crew.slots(), crew.held(), crew.types_of_gpus()
        yield from crew_samples(crew, types)
        for survey in surveys:
            yield from job_samples(survey)
            interface = interfaces.get(survey.service_id)
            if interface is not None:
                yield from queue_samples(survey, interface)
            own_slots = dict.fromkeys(types[survey.service_id], 0) | slots.get(survey.service_id, {})
            yield from load_samples(survey, own_slots, held.get(survey.service_id, {}), gpus)

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
    expected = crew.expected()
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
