"""POST /v1/jobs: many jobs in one request."""

import asyncio
from typing import Any

import orjson
from flask import Blueprint, Response, request

from api.gateway import Gateway
from api.problems import error_body
from api.request_body import RequestBody
from api.server import BODY
from api.submitting import Preference, Submitter
from api.views.answers import job_url, json_response
from api.views.bodies import JSON, parse_json
from athena.errors import AthenaError, MediaTypeError, Problem, RequestError

#: So many jobs may come in one request.
MAX_JOBS = 1000

ASYNC = Preference(respond_async=True)


class Bulk:
    """Queues lists of jobs; each item is accepted or refused alone."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._submitter = Submitter(gateway)

    async def submit(self) -> Response:
        """Answers with an id or an error for each item, in the order of the request."""
        if request.mimetype != JSON:
            raise MediaTypeError(f"content-type must be {JSON}")
        body: RequestBody = request.environ[BODY]
        items = _items(parse_json(await body.read(self._gateway.settings.max_body_bytes)))
        results = await asyncio.gather(*(self._submit_one(item) for item in items))
        accepted = sum("id" in result for result in results)
        header = {"code": 0, "message": f"accepted {accepted} of {len(results)}", "sid": ""}
        return json_response({"header": header, "jobs": results})

    async def _submit_one(self, item: Any) -> dict[str, Any]:
        try:
            job_id = await self._accept(item)
        except AthenaError as error:
            return {"error": {**orjson.loads(error_body(error, ""))["header"], "status": error.http_status}}
        return {"id": job_id, "url": job_url(job_id)}

    async def _accept(self, item: Any) -> str:
        if not isinstance(item, dict) or not isinstance(item.get("service_id"), str):
            problem = Problem("/service_id", "must name the ability")
            raise RequestError("the job does not fit the schema", problems=(problem,))
        envelope = {name: value for name, value in item.items() if name != "service_id"}
        interface, schema = self._gateway.ability(item["service_id"])
        limit_bytes = min(interface.limits.max_body_bytes, self._gateway.settings.max_body_bytes)
        checked = await self._submitter.validate(interface, schema, envelope, limit_bytes)
        identity = orjson.dumps(envelope)
        submission, payload = self._submitter.prepare(interface, checked, identity, ASYNC)
        job_id, _ = await self._gateway.submit(submission, payload)
        return job_id


def _items(document: Any) -> list[Any]:
    items = document.get("jobs") if isinstance(document, dict) else document
    if not isinstance(items, list):
        problem = Problem("", "must be a list of jobs, or an object with the member jobs")
        raise RequestError("the request's body cannot be used", problems=(problem,))
    if len(items) > MAX_JOBS:
        problem = Problem("", f"may hold at most {MAX_JOBS} jobs, got {len(items)}")
        raise RequestError("the request's body cannot be used", problems=(problem,))
    return items


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the route."""
    routes = Blueprint("bulk", __name__)
    routes.add_url_rule("/v1/jobs", view_func=Bulk(gateway).submit, methods=["POST"], endpoint="submit")
    return routes
