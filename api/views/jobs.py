"""Questions about jobs."""

import re

from flask import Blueprint, Response, request

from api.gateway import Gateway
from api.server import BODY
from api.views.answers import ended_response, job_response, result_gone
from api.views.waiting import MAX_WAIT_S, wait_for_end
from api.waiters import reply_of
from athena.errors import NotFoundError, Problem, RequestError, ResultExpiredError
from athena.jobs import JobRecord, JobState
from athena.rendered import read_output

#: Ours are 32 digits; those of tasks that came by send_task are UUIDs with dashes.
_JOB_ID = re.compile(r"[0-9a-f-]{32,36}")


class Jobs:
    """Answers questions about jobs."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def show(self, name: str) -> Response:
        """Answers with a job's state and, when it is final, with what came of it."""
        wait_s = _wait_s(request.args.get("wait"))
        record = await self._find(name, request.args.get("app_id", ""))
        if not record.state.is_final and wait_s > 0:
            record = await self._wait(record, wait_s)
        if record.state is JobState.SUCCEEDED and record.result is None:
            raise ResultExpiredError(result_gone(record.job_id))
        return job_response(record)

    async def output(self, name: str, key: str) -> Response:
        """Answers with the bytes of one output."""
        record = await self._find(name, request.args.get("app_id", ""))
        if not record.state.is_final:
            raise NotFoundError(f"job {record.job_id} is {record.state}; it has no output yet")
        if record.state is not JobState.SUCCEEDED or record.result is None:
            return ended_response(reply_of(record))
        output = read_output(record.result, key)
        if output is None:
            raise NotFoundError(f"job {record.job_id} has no output {key!r}")
        response = Response(output.data, content_type=output.content_type)
        # The caller chose the content type, so no browser may run what is in it.
        response.headers["Content-Disposition"] = "attachment"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    async def _find(self, name: str, app_id: str) -> JobRecord:
        record = await self._gateway.read(name) if _JOB_ID.fullmatch(name) else None
        if record is None:
            job_id = await self._gateway.find(name, app_id)
            record = await self._gateway.read(job_id) if job_id else None
        if record is None:
            raise NotFoundError(f"there is no job {name!r}, or its record has expired")
        return record

    async def _wait(self, record: JobRecord, wait_s: float) -> JobRecord:
        job_id = record.job_id
        future = self._gateway.wait_for(job_id)
        await self._gateway.recheck(job_id)
        await wait_for_end(self._gateway, job_id, future, request.environ[BODY], wait_s)
        return await self._gateway.read(job_id) or record


def _wait_s(raw: str | None) -> float:
    if raw is None:
        return 0.0
    try:
        value = float(raw)
    except ValueError:
        value = -1.0
    if not 0 <= value <= MAX_WAIT_S:
        raise RequestError(
            "the query cannot be used",
            problems=(Problem("", f"wait must be a number of seconds from 0 to {MAX_WAIT_S:g}"),),
        )
    return value


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("jobs", __name__)
    jobs = Jobs(gateway)
    routes.add_url_rule("/v1/jobs/<name>", view_func=jobs.show, methods=["GET"], endpoint="show")
    output = "/v1/jobs/<name>/outputs/<key>"
    routes.add_url_rule(output, view_func=jobs.output, methods=["GET"], endpoint="output")
    return routes
