"""`/metrics`: the fleet, as Prometheus reads it."""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

from flask import Blueprint, Response, request

from api.gateway.gateway import Gateway
from api.samples.apps import app_samples
from api.samples.gateways import gateway_samples
from api.samples.gpus import gpu_samples
from api.samples.jobs import NO_EXAMPLES, Examples, examples_of
from api.samples.kept import KeptLines
from api.samples.own import own_samples
from api.samples.queues import demand_samples, load_samples, queue_samples
from api.samples.redis import redis_samples
from api.samples.workers import (
    Crew,
    absent_crew_samples,
    crew_samples,
    told_by_the_lost,
    worker_samples,
)
from api.views.workers import alive_workers, fresh_reports, told_workers
from athena.errors import StoreError
from athena.fleet.canary import CanaryReport
from athena.fleet.host_report import HostReport
from athena.fleet.traffic_split import TrafficSplit
from athena.operations.queues import WorkerState, list_hosts, list_workers
from athena.operations.quotas import open_of, usage_of
from athena.operations.surveys import count_dead_letters, list_gateways, ping, survey_abilities
from athena.operations.traces import list_exemplars
from athena.protocol.paths import main_of
from athena.store.books.counts import Survey
from athena.telemetry.exposition import Exposition, wants_open_metrics
from athena.telemetry.metrics import CANARY_OK, CANARY_SECONDS, DEAD_LETTERS, TRAFFIC_SHARE, Sample


class Metrics:
    """Fills the table of metrics from what Redis knows of the fleet."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._kept = KeptLines()

    async def show(self, accept: str = "") -> Response:
        """Shows the fleet to Prometheus, in a form that it accepts."""
        is_open = wants_open_metrics(accept)
        page = Exposition(is_open)
        try:
            latency_s = await self._latency_s()
            await self._show_fleet(page, is_open)
        except StoreError:
            # Whoever is to be told of it must hear something.
            page, latency_s = Exposition(is_open), None
            page.add(gateway_samples([(self._gateway.describe(), True)]))
        page.add(redis_samples(latency_s, self._gateway.watch.redis_info))
        return Response(page.text(), content_type=page.content_type)

    async def _latency_s(self) -> float:
        began_s = time.perf_counter()
        await self._gateway.operate(ping())
        return time.perf_counter() - began_s

    async def _show_fleet(self, page: Exposition, is_open: bool) -> None:
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
        page.add(_share_samples(self._gateway.splits, interfaces))
        page.add(gateway_samples(gateways))
        page.add([Sample(DEAD_LETTERS, (), dead)])
        crew = self._crew(serving, reports)
        page.add(worker_samples(crew))
        page.add(absent_crew_samples(crew, {survey.service_id for survey in surveys}))
        await self._show_abilities(page, is_open, surveys, crew)

    async def _examples(self, service_ids: Sequence[str], is_open: bool) -> dict[str, Examples]:
        """Returns traces that show the times of abilities, where they can be shown and there may be any."""
        if not is_open or not self._gateway.settings.trace_ratio:
            return {}
        found = await self._gateway.operate(list_exemplars(service_ids))
        return {service_id: examples_of(exemplars) for service_id, exemplars in found.items()}

    async def _show_abilities(
        self, page: Exposition, is_open: bool, surveys: list[Survey], crew: Crew
    ) -> None:
        interfaces = self._gateway.watch.fleet.interfaces
        types = _types_of(surveys, crew)
        slots, held, gpus = crew.slots(), crew.held(), crew.types_of_gpus()
        service_ids = [survey.service_id for survey in surveys]
        examples = await self._examples(service_ids, is_open)
        self._kept.forget_others(service_ids)
        for survey in surveys:
            service_id = survey.service_id
            interface = interfaces.get(service_id)
            own_examples = examples.get(service_id, NO_EXAMPLES)
            page.add_lines(self._kept.lines(survey, interface is not None, is_open, own_examples))
            if survey.counts.own:
                page.add(own_samples(service_id, survey.counts.own, crew.latest.keys()))
            if interface is not None:
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


def _share_samples(splits: Mapping[str, TrafficSplit], known: Iterable[str]) -> Iterator[Sample]:
    for service_id in sorted(known):
        split = splits.get(main_of(service_id))
        if split is not None:
            yield Sample(TRAFFIC_SHARE, (service_id,), round(split.share_of(service_id) / 100, 4))


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("metrics", __name__)
    metrics = Metrics(gateway)

    async def show() -> Response:
        return await metrics.show(request.headers.get("Accept", ""))

    routes.add_url_rule("/metrics", view_func=show, endpoint="show")
    return routes
