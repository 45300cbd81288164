"""POST /v1/jobs: many jobs in one request."""

import asyncio
import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from flask import Blueprint, Response, request

from api.gateway.call import Call, open_call
from api.gateway.gate import Visit, visit_of
from api.gateway.gateway import Gateway
from api.gateway.submitter import Preference, Submitter
from api.http.answers import job_url, json_response
from api.http.asgi import BODY, SCOPE
from api.http.forms import JSON, identity_of
from api.http.json_body import load_json, with_exact_numbers
from api.http.problems import MAX_ERRORS, error_header
from api.http.request_body import RequestBody
from athena.errors import AthenaError, MediaTypeError, Problem, RequestError
from athena.protocol.checks.widths import MAX_VALUES, check_text
from athena.protocol.plain import is_plain

#: So many jobs may come in one request.
MAX_JOBS = 1000

#: Members of objects and items of lists, in all of them together.
MAX_BULK_VALUES = 5 * MAX_VALUES

#: So many of them are looked at before other callers have their turn.
AT_ONCE = 50

ASYNC = Preference(respond_async=True)

#: How each job that is taken is answered.
ACCEPTED = 202

#: Reads the jobs of a request with whole numbers of any length.
ExactItems = Callable[[], list[Any]]


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
        raw = await body.read(self._gateway.settings.max_body_bytes)
        check_text(raw, MAX_BULK_VALUES)
        items = _items(load_json(raw))
        # Once for all of them: reading all of a request for each of a thousand jobs takes minutes.
        exact_items = cache(lambda: _items(json.loads(raw)))
        visit = visit_of(request.environ[SCOPE])
        results: list[str | AthenaError] = []
        for start in range(0, len(items), AT_ONCE):
            numbered = enumerate(items[start : start + AT_ONCE], start)
            some = (self._submit_one(visit, exact_items, *item) for item in numbered)
            results += await asyncio.gather(*some)
        accepted = sum(isinstance(result, str) for result in results)
        header = {"code": 0, "message": f"accepted {accepted} of {len(results)}", "sid": ""}
        return json_response({"header": header, "jobs": self._rendered(results)})

    async def _submit_one(
        self, visit: Visit | None, exact_items: ExactItems, number: int, item: Any
    ) -> str | AthenaError:
        try:
            with self._open(visit, item) as call:
                return await self._accept(call, exact_items, number, item)
        except AthenaError as error:
            return error

    def _open(self, visit: Visit | None, item: Any) -> Call:
        if not isinstance(item, dict) or not isinstance(item.get("service_id"), str):
            problem = Problem("/service_id", "must name the ability")
            raise RequestError("the job does not fit the schema", problems=(problem,))
        return open_call(self._submitter, self._gateway.ability(item["service_id"]), visit)

    async def _accept(self, call: Call, exact_items: ExactItems, number: int, item: dict[str, Any]) -> str:
        def exactly(envelope: dict[str, Any]) -> Any:
            return with_exact_numbers(envelope, lambda: _envelope(exact_items()[number]))

        envelope = _envelope(item)
        call.settle_version(envelope)
        if is_plain(envelope):
            await call.prepare_plain(exactly(envelope), ASYNC)
        else:
            is_quick = call.schema.quick_check(envelope)
            envelope = envelope if is_quick else exactly(envelope)
            await call.prepare_envelope(envelope, identity_of(envelope), ASYNC, is_quick)
        job_id = await call.errand.hand_in(_keep)
        call.close(ACCEPTED)
        return job_id

    def _rendered(self, results: Sequence[str | AthenaError]) -> list[dict[str, Any]]:
        """Returns an id or an error for each; all errors together list as many problems as one alone."""
        left = MAX_ERRORS
        rendered: list[dict[str, Any]] = []
        for result in results:
            if isinstance(result, str):
                rendered.append({"id": result, "url": job_url(self._gateway.settings.url_prefix, result)})
                continue
            header = error_header(result)
            listed = min(len(result.problems), MAX_ERRORS)
            if listed > left:
                del header["errors"]
            else:
                left -= listed
            rendered.append({"error": {**header, "status": result.http_status}})
        return rendered


def _keep() -> None:
    """What was sent is held until all of its jobs are handed in."""


def _envelope(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "service_id"}


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
