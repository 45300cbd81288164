"""Questions about jobs."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from flask import Blueprint, Response, request

from api.access.key_book import Caller
from api.gateway.caller import MAX_WAIT_S, wait_for_end
from api.gateway.gate import caller_of
from api.gateway.gateway import Gateway
from api.gateway.waiters import reply_of
from api.http.answers import accepted_response, ended_response, job_response, json_response, result_gone
from api.http.asgi import BODY, SCOPE
from api.views.acts import act_of
from athena.errors import NotFoundError, Problem, RequestError, ResultExpiredError
from athena.jobs.celery_message import MAX_TASK_ID_BYTES
from athena.jobs.record import JobRecord
from athena.operations.jobs import cancel_jobs, retry_job
from athena.operations.listing import JobFilter, list_jobs
from athena.operations.refusals import no_job
from athena.operations.steps import Steps
from athena.operations.trail import recorded
from athena.protocol.enums import JobState
from athena.protocol.outputs import read_output

T = TypeVar("T")

PAGE, MAX_PAGE = 100, 1000

#: Ours are 32 digits; those of tasks that came by send_task are UUIDs with dashes, or their senders' choice.
_JOB_ID = re.compile(r"[0-9a-f-]{32,36}")


class Jobs:
    """Answers questions about jobs."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def show(self, name: str) -> Response:
        """Answers with a job's state and, when it is final, with what came of it."""
        wait_s = _wait_s(request.args.get("wait"))
        record = await self._find(name)
        if not record.state.is_final and wait_s > 0:
            record = await self._wait(record, wait_s)
        if record.state is JobState.SUCCEEDED and record.result is None:
            raise ResultExpiredError(result_gone(record.job_id))
        return job_response(record, self._reason(record))

    async def index(self) -> Response:
        """Lists jobs, page by page."""
        wanted, limit = job_filter(request.args), page_size(request.args.get("limit"))
        caller = self._caller()
        if caller is not None and not caller.scopes.sees_all:
            if not caller.sees(wanted.app_id or caller.app_id):
                # What another application has is not there.
                return json_response({"jobs": [], "cursor": None})
            wanted = replace(wanted, app_id=caller.app_id)
        steps = list_jobs(wanted, limit, request.args.get("cursor", ""))
        page = await self._gateway.operate(steps)
        listed = [{**record.describe(), "reason": self._reason(record) or None} for record in page.jobs]
        return json_response({"jobs": listed, "cursor": page.cursor or None})

    async def cancel(self, name: str) -> Response:
        """Cancels a job that has not ended; one that has stays as it is."""
        record = await self._find(name)
        await self._gateway.operate(self._noted("cancel", record, cancel_jobs([record.job_id])))
        return job_response(await self._gateway.read(record.job_id) or record)

    async def retry(self, name: str) -> Response:
        """Tries a job again that did not succeed, as a new job."""
        record = await self._find(name)
        caller = self._caller()
        if caller is not None:
            caller.scopes.check_ability(record.service_id)
        settings = self._gateway.settings
        steps = retry_job(
            record.job_id, settings, request.args.get("request_id", ""), self._gateway.quotas.find
        )
        new_id = await self._gateway.operate(self._noted("retry", record, steps))
        return accepted_response(await self._gateway.read(new_id) or record, settings.url_prefix)

    async def output(self, name: str, key: str) -> Response:
        """Answers with the bytes of one output."""
        record = await self._find(name)
        if not record.state.is_final:
            raise NotFoundError(f"job {record.job_id} is {record.state}; it has no output yet")
        if record.state is not JobState.SUCCEEDED or record.result is None:
            return ended_response(reply_of(record))
        interface = self._gateway.watch.fleet.interfaces.get(record.service_id)
        output = read_output(record.result, key, interface.output_specs if interface else {})
        if output is None:
            raise NotFoundError(f"job {record.job_id} has no output {key!r}")
        response = Response(output.data, content_type=output.content_type)
        # The caller chose the content type, so no browser may run what is in it.
        response.headers["Content-Disposition"] = "attachment"
        return response

    def _noted(self, verb: str, record: JobRecord, steps: Steps[T]) -> Steps[T]:
        """Returns steps that are noted first where an operator changes what is another application's."""
        caller = self._caller()
        # The admin token belongs to no application, as some jobs do.
        if caller is None or (caller.app_id and caller.app_id == record.app_id):
            return steps
        return recorded(act_of(request.environ, f"v1 jobs {verb}", record.job_id), steps)

    def _reason(self, record: JobRecord) -> str:
        if record.state is not JobState.QUEUED:
            return ""
        return self._gateway.watch.fleet.why_queued(time.monotonic(), record)

    async def _find(self, name: str) -> JobRecord:
        """Returns a job by its id, or by its caller's; what a caller may not see is not there."""
        record = self._seen(await self._gateway.read(name)) if _JOB_ID.fullmatch(name) else None
        if record is None:
            record = await self._find_own(name)
        if record is None and len(name.encode()) <= MAX_TASK_ID_BYTES:
            record = self._seen(await self._gateway.read(name))
        if record is None:
            raise no_job(name)
        return record

    async def _find_own(self, request_id: str) -> JobRecord | None:
        app_id, caller = request.args.get("app_id", ""), self._caller()
        if caller is not None and not caller.scopes.sees_all:
            # Other applications may use the same ids; that must not even be told as an error.
            app_id = app_id or caller.app_id
            if not caller.sees(app_id):
                return None
        found = await self._gateway.find(request_id, app_id, request.args.get("service_id", ""))
        return self._seen(found)

    def _seen(self, record: JobRecord | None) -> JobRecord | None:
        caller = self._caller()
        return record if record is None or caller is None or caller.sees(record.app_id) else None

    def _caller(self) -> Caller | None:
        """Returns who asks; None where no request needs a key."""
        return caller_of(request.environ[SCOPE])

    async def _wait(self, record: JobRecord, wait_s: float) -> JobRecord:
        job_id = record.job_id
        # Before the job is read: nobody would hear of an end in between.
        future = self._gateway.wait_for(job_id)
        try:
            await self._gateway.recheck(job_id)
        except BaseException:
            # Nobody else would take it off the list of those who wait.
            self._gateway.forget(job_id, future)
            raise
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


def job_filter(query: Mapping[str, str]) -> JobFilter:
    """Reads which jobs a query asks for.

    Raises:
        RequestError: there is no such state, or a number is none.
    """
    state = query.get("state", "")
    if state and state not in list(JobState):
        known = ", ".join(JobState)
        problem = Problem("", f"state must be one of: {known}")
        raise RequestError("the query cannot be used", problems=(problem,))
    return JobFilter(
        query.get("service_id", ""),
        state,
        query.get("app_id", ""),
        _number(query, "code"),
        _number(query, "since_ms") or 0,
        _number(query, "until_ms") or 0,
    )


def _number(query: Mapping[str, str], name: str) -> int | None:
    raw = query.get(name, "")
    if not raw:
        return None
    # Any 16 digits are exact as Lua has numbers.
    if not (raw.isascii() and raw.isdecimal() and len(raw) < 16):
        problem = Problem("", f"{name} must be a whole number from 0 on, of at most 15 digits")
        raise RequestError("the query cannot be used", problems=(problem,))
    return int(raw)


def page_size(raw: str | None) -> int:
    """Reads how many jobs a page is to have.

    Raises:
        RequestError: it is no number in range.
    """
    if raw is None:
        return PAGE
    if not (raw.isdecimal() and 1 <= int(raw) <= MAX_PAGE):
        problem = Problem("", f"limit must be a number from 1 to {MAX_PAGE}")
        raise RequestError("the query cannot be used", problems=(problem,))
    return int(raw)


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("jobs", __name__)
    jobs = Jobs(gateway)
    routes.add_url_rule("/v1/jobs/<name>", view_func=jobs.show, methods=["GET"], endpoint="show")
    routes.add_url_rule("/v1/jobs", view_func=jobs.index, methods=["GET"], endpoint="index")
    for verb, view in (("cancel", jobs.cancel), ("retry", jobs.retry)):
        routes.add_url_rule(f"/v1/jobs/<name>/{verb}", view_func=view, methods=["POST"], endpoint=verb)
    output = "/v1/jobs/<name>/outputs/<key>"
    routes.add_url_rule(output, view_func=jobs.output, methods=["GET"], endpoint="output")
    return routes
