"""Shares of versions over HTTP: what `athena abilities share` and `rollback` do."""

from flask import Blueprint, Response, request

from api.gateway.gateway import Gateway
from api.http.answers import json_response
from api.http.asgi import BODY
from api.http.json_body import load_json
from api.http.request_body import RequestBody
from api.views.acts import act_of
from api.views.admin import noted, protect
from athena.errors import ConfigError, Problem, RequestError
from athena.fleet.traffic_split import TrafficSplit, read_split
from athena.operations.traffic import list_splits, roll_back, share_traffic
from athena.operations.trail import recorded

#: Thousands of applications fit.
_MAX_BODY_BYTES = 262_144


class AdminShares:
    """Lists, sets and takes back the shares of versions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def shares(self) -> Response:
        """Lists how requests are divided."""
        splits = await self._gateway.operate(list_splits())
        listed = [{"service_id": name, **split.document()} for name, split in sorted(splits.items())]
        return json_response({"shares": listed})

    async def share(self, service_id: str) -> Response:
        """Divides an ability's requests."""
        body: RequestBody = request.environ[BODY]
        split = _read(await body.read(_MAX_BODY_BYTES))
        # What was set is noted, and not only of which ability.
        act = act_of(request.environ, "abilities share", f"{service_id} {split.text()}")
        await self._gateway.operate(recorded(act, share_traffic(service_id, split)))
        return json_response({"service_id": service_id, **split.document()})

    async def rollback(self, service_id: str) -> Response:
        """Gives all requests to the main version."""
        await self._gateway.operate(roll_back(service_id))
        return json_response({"service_id": service_id, **TrafficSplit().document()})


def _read(raw: bytes) -> TrafficSplit:
    try:
        return read_split(load_json(raw))
    except ConfigError as error:
        problem = Problem("", error.message)
        raise RequestError("the request's body cannot be used", problems=(problem,)) from None


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes; there are none without a token or keys."""
    routes = Blueprint("admin_shares", __name__, url_prefix="/v1/admin")
    if not protect(routes, gateway):
        return routes
    views = AdminShares(gateway)
    routes.add_url_rule("/shares", view_func=views.shares, methods=["GET"], endpoint="shares")
    path = "/abilities/<service_id>"
    taken_back = noted(gateway, f"{path}/rollback", views.rollback)
    routes.add_url_rule(f"{path}/share", view_func=views.share, methods=["POST"], endpoint="share")
    routes.add_url_rule(f"{path}/rollback", view_func=taken_back, methods=["POST"], endpoint="rollback")
    return routes
