"""What operators do over HTTP: `/v1/admin`, there only when an admin token or a key is needed."""

import hmac
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace

from flask import Blueprint, Response, request

from api.access.refusals import RefusalLog
from api.gateway.gateway import Gateway
from api.http.answers import json_response
from api.views.acts import act_of
from api.views.jobs import job_filter, page_size
from athena.errors import AthenaError, CredentialsError
from athena.fleet.worker_orders import ORDER_DRAIN, ORDER_RESTART
from athena.operations import jobs as job_operations
from athena.operations import queues as fleet_operations
from athena.operations.listing import list_jobs
from athena.operations.quotas import day_text, list_quotas, open_of, usage_of
from athena.operations.trail import list_acts, note

View = Callable[..., Awaitable[Response]]


class Admin:
    """The operators' verbs, those of `athena jobs`, `dead`, `queues` and `workers`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._settings = gateway.settings

    async def jobs(self) -> Response:
        """Lists jobs."""
        steps = list_jobs(
            job_filter(request.args), page_size(request.args.get("limit")), request.args.get("cursor", "")
        )
        page = await self._gateway.operate(steps)
        reasons = await self._gateway.operate(job_operations.why_waiting(page.jobs, time.time()))
        listed = [{**record.describe(), "reason": reasons.get(record.job_id)} for record in page.jobs]
        return json_response({"jobs": listed, "cursor": page.cursor or None})

    async def job(self, job_id: str) -> Response:
        """Shows a job, with the text of its error."""
        record = await self._gateway.operate(job_operations.show_job(job_id))
        return json_response({"job": job_operations.describe_job(record)})

    async def cancel(self, job_id: str) -> Response:
        """Cancels a job."""
        states = await self._gateway.operate(job_operations.cancel_jobs([job_id]))
        return json_response({"before": {name: state and str(state) for name, state in states.items()}})

    async def retry(self, job_id: str) -> Response:
        """Tries a job again."""
        steps = job_operations.retry_job(job_id, self._settings, request.args.get("request_id", ""))
        new_id = await self._gateway.operate(steps)
        return json_response({"id": new_id, "retry_of": job_id}, 202)

    async def dead(self) -> Response:
        """Lists dead letters."""
        records = await self._gateway.operate(job_operations.list_dead(page_size(request.args.get("limit"))))
        return json_response({"dead": [job_operations.describe_job(record) for record in records]})

    async def requeue(self, job_id: str) -> Response:
        """Tries a dead letter again."""
        steps = job_operations.requeue_dead(job_id, self._settings, request.args.get("request_id", ""))
        new_id = await self._gateway.operate(steps)
        return json_response({"id": new_id, "retry_of": job_id}, 202)

    async def drop(self, job_id: str) -> Response:
        """Drops a dead letter."""
        await self._gateway.operate(job_operations.drop_dead(job_id))
        return json_response({"dropped": job_id})

    async def queues(self) -> Response:
        """Lists queues."""
        loads = await self._gateway.operate(fleet_operations.list_queues())
        return json_response({"abilities": [asdict(load) for load in loads]})

    async def pause(self, name: str) -> Response:
        """Pauses a queue."""
        return json_response(
            {"paused": await self._gateway.operate(fleet_operations.pause_queues([name], True))}
        )

    async def resume(self, name: str) -> Response:
        """Lets a queue go on."""
        return json_response(
            {"resumed": await self._gateway.operate(fleet_operations.pause_queues([name], False))}
        )

    async def purge(self, name: str) -> Response:
        """Cancels what waits in a queue."""
        return json_response({"canceled": await self._gateway.operate(fleet_operations.purge_queues([name]))})

    async def forget(self, service_id: str) -> Response:
        """Forgets an ability."""
        force = request.args.get("force", "") not in ("", "0", "false")
        canceled = await self._gateway.operate(fleet_operations.forget_ability(service_id, force))
        return json_response({"forgotten": service_id, "canceled": canceled})

    async def workers(self) -> Response:
        """Lists workers."""
        serving, drained = await self._gateway.operate(fleet_operations.list_workers())
        failures = self._gateway.watch.fleet.failures
        return json_response(
            {"workers": [asdict(worker) for worker in serving], "drained": drained, "failures": failures}
        )

    async def usage(self) -> Response:
        """Shows what applications have used, and have open now."""
        days = page_size(request.args.get("days", "1"))
        rows = await self._gateway.operate(usage_of(time.time(), days, request.args.get("app_id", "")))
        listed = [{**row, "day": day_text(row["day"])} for row in rows]
        return json_response({"usage": listed, "open": await self._gateway.operate(open_of())})

    async def quotas(self) -> Response:
        """Lists quotas."""
        found = await self._gateway.operate(list_quotas())
        return json_response(
            {
                "quotas": [
                    {"app_id": app_id, "ability": service_id or None, "limits": quota.document()}
                    for app_id, service_id, quota in found
                ]
            }
        )

    async def audit(self) -> Response:
        """Lists what operators have done."""
        return json_response(
            {"acts": await self._gateway.operate(list_acts(page_size(request.args.get("limit"))))}
        )

    async def drain(self, name: str) -> Response:
        """Lets a worker finish what it runs, and none follow."""
        return json_response({"ordered": await self._order(name, ORDER_DRAIN)})

    async def restart(self, name: str) -> Response:
        """Replaces a worker, or starts a drained one."""
        return json_response({"ordered": await self._order(name, ORDER_RESTART)})

    async def _order(self, name: str, order: str) -> list[str]:
        return await self._gateway.operate(fleet_operations.order_workers([name], order))


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes; there are none without a token or keys."""
    routes = Blueprint("admin", __name__, url_prefix="/v1/admin")
    if not protect(routes, gateway):
        return routes
    admin = Admin(gateway)
    listed: list[tuple[str, str, View]] = [
        ("GET", "/jobs", admin.jobs),
        ("GET", "/jobs/<job_id>", admin.job),
        ("POST", "/jobs/<job_id>/cancel", admin.cancel),
        ("POST", "/jobs/<job_id>/retry", admin.retry),
        ("GET", "/dead", admin.dead),
        ("POST", "/dead/<job_id>/requeue", admin.requeue),
        ("POST", "/dead/<job_id>/drop", admin.drop),
        ("GET", "/queues", admin.queues),
        ("POST", "/queues/<name>/pause", admin.pause),
        ("POST", "/queues/<name>/resume", admin.resume),
        ("POST", "/queues/<name>/purge", admin.purge),
        ("POST", "/abilities/<service_id>/rm", admin.forget),
        ("GET", "/workers", admin.workers),
        ("GET", "/audit", admin.audit),
        ("GET", "/usage", admin.usage),
        ("GET", "/quotas", admin.quotas),
        ("POST", "/workers/<name>/drain", admin.drain),
        ("POST", "/workers/<name>/restart", admin.restart),
    ]
    for method, path, view in listed:
        shown = view if method == "GET" else noted(gateway, path, view)
        routes.add_url_rule(path, view_func=shown, methods=[method], endpoint=view.__name__)

    return routes


def noted(gateway: Gateway, path: str, view: View) -> View:
    """Returns a view whose request is noted before anything is done (`athena audit`)."""
    words = " ".join(part for part in path.split("/") if part and not part.startswith("<"))

    async def noting(**names: str) -> Response:
        act = act_of(request.environ, words, " ".join(names.values()))
        await gateway.operate(note(act))
        try:
            return await view(**names)
        except AthenaError as error:
            await gateway.operate(note(replace(act, outcome=f"failed: {error.message}")))
            raise

    return noting


def protect(routes: Blueprint, gateway: Gateway) -> bool:
    """Has operators' routes ask for the admin token where none needs a key; returns whether there are any."""
    token = gateway.settings.admin_token
    if gateway.access is None and token:
        routes.before_request(_token_check(token))
    return gateway.access is not None or bool(token)


def _token_check(token: str) -> Callable[[], None]:
    """Returns what asks for the admin token, where no request needs a key."""
    refusals = RefusalLog(time.monotonic)

    def check_token() -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        # As bytes: of texts it takes only ASCII, and a header may hold anything.
        if not hmac.compare_digest(given.encode(), token.encode()):
            error = CredentialsError("send the admin token: Authorization: Bearer <token>")
            refusals.note(request.environ["REMOTE_ADDR"], f"{request.method} {request.path}", error.message)
            raise error

    return check_token
