"""What is served."""

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, request

from api.gateway.gate import caller_of
from api.gateway.gateway import Gateway, no_service
from api.http.answers import json_response
from api.http.asgi import SCOPE
from athena.fleet.canary import CANARY_FAILING
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.queues import known_queues, queue_waits
from athena.protocol.interface import Interface


def known_abilities() -> Callable[[str], bool]:
    """Returns what says whether an ability exists for who has sent the request."""
    caller = caller_of(request.environ[SCOPE])
    return caller.scopes.knows if caller is not None else lambda service_id: True


class Abilities:
    """Answers questions about abilities."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def index(self) -> Response:
        """Lists all abilities that were ever registered, and those that load or do not start."""
        fleet, knows = self._gateway.watch.fleet, known_abilities()
        interfaces = [fleet.interfaces[name] for name in sorted(fleet.interfaces) if knows(name)]
        listed = [await self._summary(interface) for interface in interfaces]
        listed += [
            {
                "service_id": name,
                "workers": [],
                "failure": fleet.failures[name],
                "reason": fleet.failure_reason(name),
            }
            for name in sorted(fleet.failures.keys() - fleet.interfaces.keys())
            if knows(name)
        ]
        loading = sorted(filter(knows, {*self._gateway.watch.loading} - fleet.interfaces.keys()))
        listed += [{"service_id": name, "workers": [], "failure": None, "reason": None} for name in loading]
        return json_response({"abilities": listed})

    async def show(self, service_id: str) -> Response:
        """Describes one ability: interface, limits, example, workers, queues."""
        if not known_abilities()(service_id):
            raise no_service(service_id)
        interface, _ = self._gateway.ability(service_id)
        described = await self._summary(interface)
        described.update(
            params=[asdict(spec) for spec in interface.params],
            inputs=[asdict(spec) for spec in interface.inputs],
            outputs=[asdict(spec) for spec in interface.outputs],
            limits=asdict(interface.limits),
            example=interface.example,
        )
        return json_response(described)

    def _canary(self, interface: Interface) -> dict[str, Any] | None:
        report = self._gateway.canaries.report(interface.service_id)
        return report.describe() if report is not None else None

    def _worker(self, worker: WorkerEntry) -> dict[str, Any]:
        unbatched = self._gateway.watch.fleet.unbatched.get(worker.name)
        return {
            "name": worker.name,
            "gpu_type": worker.gpu_type,
            "slots": worker.slots,
            "unbatched": unbatched,
        }

    def _share(self, interface: Interface) -> float | None:
        """Returns which share of requests the version gets, in percent; None where they are not divided."""
        split = self._gateway.splits.get(interface.main_id)
        return split.share_of(interface.service_id) if split is not None else None

    def _reason(self, service_id: str) -> str | None:
        failure = self._gateway.watch.fleet.failure_reason(service_id)
        return failure or (CANARY_FAILING if service_id in self._gateway.canaries.failing else None)

    async def _summary(self, interface: Interface) -> dict[str, Any]:
        workers = self._gateway.watch.fleet.live_workers(time.monotonic(), interface.service_id)
        known = await self._gateway.operate(known_queues([interface]))
        queues = known[interface.service_id]
        depths = await self._gateway.depths(queues)
        return {
            "service_id": interface.service_id,
            "version": interface.version,
            "description": interface.description,
            "url": f"{self._gateway.settings.url_prefix}{interface.path}",
            "share": self._share(interface),
            "gpu_types": list(interface.gpu_types),
            "fallback": interface.fallback,
            "workers": [self._worker(worker) for worker in workers],
            "failure": self._gateway.watch.fleet.failures.get(interface.service_id),
            "waiting": await self._gateway.operate(queue_waits(queues)),
            "reason": self._reason(interface.service_id),
            "canary": self._canary(interface),
            "queued": {queue: depth for queue, depth in zip(queues, depths, strict=True) if depth},
        }


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("abilities", __name__)
    abilities = Abilities(gateway)
    routes.add_url_rule("/v1/abilities", view_func=abilities.index, endpoint="index")
    routes.add_url_rule("/v1/abilities/<service_id>", view_func=abilities.show, endpoint="show")
    return routes
