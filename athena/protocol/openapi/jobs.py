"""The part of the OpenAPI document that is about jobs: what is asked of them, and what they are."""

from typing import Any

from athena.errors import (
    CanceledError,
    ExecTimeoutError,
    ExpiredError,
    ForbiddenError,
    InterfaceChangedError,
    InternalError,
    JobStateError,
    MediaTypeError,
    NotFoundError,
    PoisonedError,
    QueueFullError,
    RequestError,
    RequestIdConflictError,
    ResultExpiredError,
    StoreError,
    WrapperError,
)
from athena.protocol.enums import JobState
from athena.protocol.json_schema import JsonSchema
from athena.protocol.openapi.parts import (
    INTEGER,
    NO_NUMBER_YET,
    NO_TEXT_YET,
    TEXT,
    TIME,
    errors_of,
    json_answer,
    object_schema,
    parameter,
    schema_ref,
)

#: What may come of a job, whoever asks for it.
JOB_ERRORS = (
    RequestError,
    CanceledError,
    WrapperError,
    InterfaceChangedError,
    PoisonedError,
    ExecTimeoutError,
    ExpiredError,
    ForbiddenError,
    InternalError,
)
FIND_ERRORS = (RequestError, ForbiddenError, NotFoundError, ResultExpiredError, StoreError, InternalError)

STATE: JsonSchema = {"type": "string", "enum": [str(state) for state in JobState]}


_MOMENT: JsonSchema = {"type": "integer", "minimum": 0}


def job_schema() -> JsonSchema:
    """Returns the schema of a job as callers see it."""
    members: dict[str, JsonSchema] = {
        "id": TEXT,
        "service_id": TEXT,
        "state": STATE,
        "app_id": TEXT,
        "request_id": NO_TEXT_YET,
        "retry_of": {**NO_TEXT_YET, "description": "The job that this one tries again."},
        "queue": TEXT,
        "position": {**NO_NUMBER_YET, "description": "About how far it is from the head of its queue."},
        "gpu_type": NO_TEXT_YET,
        "worker": NO_TEXT_YET,
        "attempts": INTEGER,
        "deaths": {**INTEGER, "description": "How many worker processes died under it."},
        "last_failure": {**NO_TEXT_YET, "description": "Why its last attempt came to nothing."},
        "retry_at_ms": {**TIME, "description": "When it is tried again after a failure."},
        "progress": {**NO_NUMBER_YET, "description": "From 0 to 1, if the wrapper tells it."},
        "queued_ms": {"type": "integer", "description": "Milliseconds since 1970."},
        "started_ms": TIME,
        "finished_ms": TIME,
        "exec_ms": {**NO_NUMBER_YET, "description": "How long its inference call took."},
        "batch_size": {**NO_NUMBER_YET, "description": "How many jobs shared that call."},
        "code": {"type": ["integer", "null"], "description": "How it ended, 0 for success."},
        "message": {**NO_TEXT_YET, "description": "Why it did not succeed."},
        "place": {**NO_TEXT_YET, "description": "Where in the ability's source its call failed."},
    }
    more: dict[str, JsonSchema] = {
        "reason": {**NO_TEXT_YET, "description": "Why it does not run yet."},
        "timeline": {"type": "array", "items": _event_schema(), "description": "What happened to it."},
    }
    return object_schema({**members, **more}, required=list(members))


def _event_schema() -> JsonSchema:
    return object_schema(
        {
            "at_ms": {"type": "integer", "description": "Milliseconds since 1970."},
            "event": TEXT,
            "attempt": NO_NUMBER_YET,
            "worker": NO_TEXT_YET,
            "detail": NO_TEXT_YET,
        }
    )


def job_paths() -> dict[str, Any]:
    """Returns the routes below /v1/jobs."""
    name = parameter("name", "path", TEXT, "The id of the job, or the caller's own request_id.")
    app_id = parameter("app_id", "query", TEXT, "Whose job, where several apps use the same request_id.")
    service_id = parameter("service_id", "query", TEXT, "Of which ability, where several have that id.")
    named = [name, app_id, service_id]
    wait = parameter("wait", "query", {"type": "number", "minimum": 0}, "Seconds to wait for the end.")
    found = json_answer("A job, a failed one included.", schema_ref("JobAnswer"))
    show = _operation("showJob", "Tells how a job stands, and what came of it", [*named, wait])
    show["responses"] = {"200": found, **errors_of(FIND_ERRORS)}
    cancel = _operation("cancelJob", "Cancels a job that has not ended", named)
    cancel["responses"] = {"200": found, **errors_of(FIND_ERRORS)}
    own_id = parameter("request_id", "query", TEXT, "The caller's own id of the new job.")
    retry = _operation("retryJob", "Tries a job again that did not succeed", [*named, own_id])
    again = json_answer("The new job.", schema_ref("Accepted"))
    retry["responses"] = {
        "202": again,
        **errors_of((*FIND_ERRORS, RequestIdConflictError, JobStateError, QueueFullError)),
    }
    return {
        "/v1/jobs": {"get": _index(), "post": _bulk()},
        "/v1/jobs/{name}": {"get": show},
        "/v1/jobs/{name}/cancel": {"post": cancel},
        "/v1/jobs/{name}/retry": {"post": retry},
        "/v1/jobs/{name}/outputs/{key}": {"get": _output(named)},
    }


def _index() -> dict[str, Any]:
    index = _operation(
        "listJobs",
        "Lists jobs, ability by ability: open ones by their deadline, then ended ones, the last first; those "
        "of one app together. Pages may be short, even empty; the cursor of the last one is null",
        [
            parameter("service_id", "query", TEXT, "Of this ability only."),
            parameter("state", "query", STATE, "In this state only."),
            parameter("app_id", "query", TEXT, "Of this app only."),
            parameter("code", "query", {"type": "integer"}, "Ended with this code only."),
            parameter("since_ms", "query", _MOMENT, "Ended, or submitted if they have not, not before."),
            parameter("until_ms", "query", _MOMENT, "Ended, or submitted if they have not, not after."),
            parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": 1000}, "How many."),
            parameter("cursor", "query", TEXT, "That of the page before."),
        ],
    )
    jobs: JsonSchema = {"type": "array", "items": schema_ref("Job")}
    page = object_schema({"jobs": jobs, "cursor": NO_TEXT_YET})
    index["responses"] = {"200": json_answer("A page.", page), **errors_of(FIND_ERRORS)}
    return index


def _bulk() -> dict[str, Any]:
    item: JsonSchema = {"type": "object", "properties": {"service_id": TEXT}, "required": ["service_id"]}
    result: JsonSchema = {"type": "object", "description": "`id` and `url`, or `error`."}
    header = object_schema({"code": INTEGER, "message": TEXT, "sid": TEXT})
    answer = object_schema({"header": header, "jobs": {"type": "array", "items": result}})
    bulk = _operation("submitJobs", "Queues many jobs; each is accepted or refused alone", [])
    bulk["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"type": "array", "items": item, "maxItems": 1000}}},
    }
    errors = (RequestError, MediaTypeError, StoreError, InternalError)
    bulk["responses"] = {"200": json_answer("A result for each.", answer), **errors_of(errors)}
    return bulk


def _output(named: list[dict[str, Any]]) -> dict[str, Any]:
    key = parameter("key", "path", TEXT, "The name of the output.")
    output = _operation("showOutput", "Answers with the bytes of one output", [*named, key])
    data = {"description": "The data, base64 removed.", "content": {"*/*": {}}}
    output["responses"] = {"200": data, **errors_of((*FIND_ERRORS, *JOB_ERRORS))}
    return output


def _operation(operation_id: str, summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {"operationId": operation_id, "tags": ["jobs"], "summary": summary, "parameters": parameters}
