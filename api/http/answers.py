"""Answers that several views give: a job that ended, a job that goes on."""

from typing import Any

import orjson
from flask import Response

from api.http.asgi import Answer
from api.http.problems import JSON
from athena.errors import ResultExpiredError, http_status_of
from athena.jobs.record import JobRecord
from athena.protocol.enums import JobState
from athena.protocol.envelope import success_body
from athena.store.submission import Reply


def json_response(body: Any, status: int = 200) -> Response:
    """Returns an answer with a JSON body."""
    return Response(orjson.dumps(body), status=status, content_type=JSON)


def response_of(answer: Answer) -> Response:
    """Returns an answer as Flask has it."""
    response = Response(answer.body, status=answer.status, content_type=answer.content_type.decode("latin-1"))
    for name, value in answer.headers:
        response.headers[name.decode("latin-1")] = value.decode("latin-1")
    return response


def ended_answer(reply: Reply) -> Answer:
    """Answers a synchronous call with the job's result or error.

    Raises:
        ResultExpiredError: the result is gone already.
    """
    if reply.state is JobState.SUCCEEDED:
        if reply.payload is None:
            raise ResultExpiredError(result_gone(reply.job_id))
        return Answer(200, success_body(reply.job_id, reply.gpu_type, reply.payload, reply.message))
    header = {"code": reply.code, "message": reply.message, "sid": reply.job_id}
    return Answer(http_status_of(reply.code), orjson.dumps({"header": header}))


def ended_response(reply: Reply) -> Response:
    """Answers a synchronous call with the job's result or error."""
    return response_of(ended_answer(reply))


def accepted_answer(record: JobRecord, url_prefix: str) -> Answer:
    """Answers 202: the job goes on, and here is where to ask for it."""
    url = job_url(url_prefix, record.job_id)
    body = {
        "header": {"code": 0, "message": "accepted", "sid": record.job_id},
        "job": record.describe(),
        "urls": {"job": url},
    }
    return Answer(202, orjson.dumps(body), ((b"location", url.encode("latin-1")), (b"retry-after", b"1")))


def accepted_response(record: JobRecord, url_prefix: str) -> Response:
    """Answers 202, as Flask has it."""
    return response_of(accepted_answer(record, url_prefix))


def job_response(record: JobRecord, reason: str = "") -> Response:
    """Answers a question about a job: its state, and what came of it once it is final.

    Args:
        record: the job.
        reason: why it does not run yet.
    """
    header: dict[str, Any] = {"code": record.code, "message": record.message, "sid": record.job_id}
    body: dict[str, Any] = {"header": header, "job": _shown(record, reason)}
    if record.state is JobState.SUCCEEDED:
        header.update(message="success", gpu_type=record.gpu_type)
        if record.message:
            header["warnings"] = orjson.Fragment(record.message)
        if record.result and record.result != b"{}":
            body["payload"] = orjson.Fragment(record.result)
    elif not record.state.is_final:
        header["message"] = str(record.state)
    return json_response(body)


def _shown(record: JobRecord, reason: str) -> dict[str, Any]:
    timeline = [event.describe() for event in record.timeline()]
    return {**record.describe(), "reason": reason or None, "timeline": timeline}


def result_gone(job_id: str) -> str:
    """Returns what a caller is told whose job's result has expired."""
    return f"the result of job {job_id} was kept until its TTL and is gone"


def job_url(url_prefix: str, job_id: str) -> str:
    """Returns where a job is asked for; the prefix is that of the settings."""
    return f"{url_prefix}/v1/jobs/{job_id}"
