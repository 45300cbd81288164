"""POST to an ability: validate, queue, wait, answer."""

import re
from collections.abc import Mapping

from flask import Blueprint, Response, request

from api.gateway.call import MAX_WAIT_S, Call, waited_too_long
from api.gateway.gateway import Gateway
from api.gateway.submitter import NO_PREFERENCE, Preference, Prepared, Submitter
from api.http.answers import accepted_response, ended_response
from api.http.asgi import BODY
from api.http.forms import check_media_type, read_body
from api.http.request_body import RequestBody
from athena.errors import NotFoundError
from athena.protocol.interface import Interface
from athena.protocol.paths import RESERVED_SERVICE_IDS
from athena.protocol.schema import RequestSchema

_LONG_PATH = re.compile(r"(?P<version>[^/]+)/private/(?P<service_id>[^/]+)")

#: The version in the path that always means "the one that is served".
DEFAULT_VERSION = "v1"


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
        service_id, version = find_service(path, request.args)
        interface, schema = self._gateway.ability(service_id)
        if version not in (DEFAULT_VERSION, interface.version):
            raise NotFoundError(
                f"{service_id} is not served in version {version}, but in {interface.version}"
            )
        check_media_type(request)
        body: RequestBody = request.environ[BODY]
        preference = parse_preference(request.headers.get("Prefer", ""))
        prepared = await self._prepare(interface, schema, body, preference)
        if preference.respond_async:
            job_id, _ = await self._gateway.submit(*prepared)
            return await self._accepted(job_id, interface)
        call = Call(self._gateway, prepared, body)
        del prepared
        return await self._answer(interface, call, preference)

    async def _prepare(
        self, interface: Interface, schema: RequestSchema, body: RequestBody, preference: Preference
    ) -> Prepared:
        limit_bytes = min(interface.limits.max_body_bytes, self._gateway.settings.max_body_bytes)
        given = read_body(request, await body.read(limit_bytes), interface)
        checked = await self._submitter.validate(interface, schema, given.envelope, limit_bytes)
        return self._submitter.prepare(interface, checked, given.identity, preference)

    async def _answer(self, interface: Interface, call: Call, preference: Preference) -> Response:
        wait_s = interface.limits.wait_s if preference.wait_s is None else preference.wait_s
        reply = await call.run(wait_s)
        if reply is not None:
            return ended_response(reply)
        if preference.wait_s is not None:
            return await self._accepted(call.job_id, interface)
        raise waited_too_long(self._gateway, call.is_private, wait_s)

    async def _accepted(self, job_id: str, interface: Interface) -> Response:
        record = await self._gateway.read(job_id)
        if record is None:
            raise NotFoundError(f"job {job_id} of {interface.service_id} is gone")
        return accepted_response(record, self._gateway.settings.url_prefix)


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("run", __name__)
    runner = Runner(gateway)
    routes.add_url_rule("/", view_func=runner.run, methods=["POST"], endpoint="root")
    routes.add_url_rule("/<path:path>", view_func=runner.run, methods=["POST"], endpoint="path")
    return routes
