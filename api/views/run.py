"""POST to an ability: validate, queue, wait, answer."""

import re
from collections.abc import Mapping

from flask import Blueprint, Response, request

from api.gateway.call import Call, handed_on, open_call_of
from api.gateway.caller import MAX_WAIT_S
from api.gateway.gateway import Ability, Gateway
from api.gateway.submitter import NO_PREFERENCE, Preference, Submitter
from api.http.answers import response_of
from api.http.asgi import BODY, SCOPE, Scope
from api.http.forms import JSON, check_media_type, identity_of, read_upload
from api.http.plain_answers import accepted_media
from api.http.request_body import RequestBody
from athena.errors import NotFoundError
from athena.protocol.paths import DEFAULT_VERSION, RESERVED_SERVICE_IDS, side_id

_LONG_PATH = re.compile(r"(?P<version>[^/]+)/private/(?P<service_id>[^/]+)")

#: The route that takes every path.
RUN_ENDPOINT = "run.path"


def parse_preference(header: str) -> Preference:
    """Reads the header; what it does not know it ignores, as the RFC says."""
    if not header:
        return NO_PREFERENCE
    respond_async, wait_s = False, None
    for part in header.split(","):
        name, _, value = part.partition(";")[0].partition("=")
        value = value.strip().strip('"')
        if name.strip().lower() == "respond-async":
            respond_async = True
        elif name.strip().lower() == "wait" and value.isdecimal():
            wait_s = min(float(value), MAX_WAIT_S)
    # Both together mean to wait first (RFC 7240, 4.3), which `wait` alone does here as well.
    return Preference(respond_async and wait_s is None, wait_s)


def find_service(path: str, query: Mapping[str, str]) -> tuple[str, str]:
    """Returns service_id and version that a request's URL names (protocol 1.1)."""
    path = path.rstrip("/")
    long_path = _LONG_PATH.fullmatch(path)
    version = long_path["version"] if long_path else DEFAULT_VERSION
    if "serviceId" in query:
        return query["serviceId"], version
    first, _, _ = path.partition("/")
    if not long_path and first in RESERVED_SERVICE_IDS:
        raise NotFoundError("there is nothing at this path")
    return path.rpartition("/")[2], version


class Runner:
    """Answers the requests that run a job."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._submitter = Submitter(gateway)

    async def run(self, path: str = "") -> Response:
        """Runs an ability on the request's body."""
        body: RequestBody = request.environ[BODY]
        scope: Scope = request.environ[SCOPE]
        with handed_on(scope) or self._open(path, scope) as call:
            check_media_type(request)
            await self._prepare(call, body)
            return response_of(await call.respond(body))

    def _open(self, path: str, scope: Scope) -> Call:
        service_id, version = find_service(path, request.args)
        is_pinned = version != DEFAULT_VERSION
        ability = self._in_version(service_id, version) if is_pinned else self._gateway.ability(service_id)
        return open_call_of(scope, self._submitter, ability, is_pinned)

    def _in_version(self, service_id: str, version: str) -> Ability:
        side = self._gateway.watch.schemas.get(side_id(service_id, version))
        if side is not None:
            return side
        ability = self._gateway.ability(service_id)
        if ability[0].version != version:
            served = ", ".join(self._gateway.versions(service_id))
            raise NotFoundError(f"{service_id} is not served in version {version}, but in {served}")
        return ability

    async def _prepare(self, call: Call, body: RequestBody) -> None:
        raw = await body.read(call.limit_bytes)
        preference = parse_preference(request.headers.get("Prefer", ""))
        call.media = accepted_media(request.headers.get("Accept", ""))
        if request.mimetype == JSON:
            await call.prepare_json(raw, preference)
            return
        envelope, call.is_plain = read_upload(request, raw, call.interface, call.app_id)
        if call.settle_version(envelope):
            # Another version may declare other inputs.
            envelope, call.is_plain = read_upload(request, raw, call.interface, call.app_id)
        await call.prepare_envelope(envelope, identity_of(envelope), preference)


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("run", __name__)
    runner = Runner(gateway)
    routes.add_url_rule("/", view_func=runner.run, methods=["POST"], endpoint="root")
    routes.add_url_rule("/<path:path>", view_func=runner.run, methods=["POST"], endpoint="path")
    return routes
