"""The HTTP API as an OpenAPI 3.1 document: a path for each ability, and the routes that are always there.

What an ability accepts comes from its interface (`athena.json_schema`), errors from the classes in
`athena.errors`; the routes are written here, and tests/unit/test_openapi.py compares them with Flask's.
"""

from collections.abc import Iterable
from typing import Any

from athena import __version__, errors
from athena.errors import (
    AthenaError,
    BodyTooLargeError,
    CanceledError,
    ExecTimeoutError,
    ExpiredError,
    InternalError,
    MediaTypeError,
    NotFoundError,
    QueueFullError,
    RequestError,
    RequestIdConflictError,
    ResultExpiredError,
    StoreError,
    UnservedError,
    WaitTimeoutError,
    WorkerLostError,
    WrapperError,
)
from athena.interface import Interface
from athena.jobs import JobState
from athena.json_schema import JsonSchema, answer_header, answer_schema, request_schema

#: What may come of a job, whoever asks for it.
JOB_ERRORS = (
    RequestError,
    CanceledError,
    WrapperError,
    WorkerLostError,
    ExecTimeoutError,
    ExpiredError,
    InternalError,
)
RUN_ERRORS = (
    *JOB_ERRORS,
    NotFoundError,
    RequestIdConflictError,
    ResultExpiredError,
    BodyTooLargeError,
    MediaTypeError,
    QueueFullError,
    UnservedError,
    StoreError,
    WaitTimeoutError,
)
FIND_ERRORS = (RequestError, NotFoundError, ResultExpiredError, StoreError, InternalError)

TEXT: JsonSchema = {"type": "string"}
TIME: JsonSchema = {"type": ["integer", "null"], "description": "Milliseconds since 1970."}


def openapi_document(interfaces: Iterable[Interface]) -> dict[str, Any]:
    """Returns the document of a gateway that serves these abilities."""
    paths: dict[str, Any] = {}
    schemas = common_schemas()
    for interface in interfaces:
        paths[f"/v1/private/{interface.service_id}"] = {"post": _run_operation(interface)}
        schemas.update(_ability_schemas(interface))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Athena Serving",
            "version": __version__,
            "description": "Runs abilities on requests of the ASF protocol, at once or as jobs.",
        },
        "paths": {**paths, **_job_paths(), **_ability_paths(), **_probe_paths()},
        "components": {"schemas": schemas, "responses": error_responses()},
    }


def error_classes() -> list[type[AthenaError]]:
    """Returns the errors that callers can meet, as `athena.errors` defines them."""
    return [
        item
        for item in vars(errors).values()
        if isinstance(item, type)
        and issubclass(item, AthenaError)
        and item not in (AthenaError, errors.ConfigError)
    ]


def error_responses() -> dict[str, Any]:
    """Returns a response for each HTTP status, with an example of each error that has it."""
    classes = error_classes()
    return {
        f"Error{status}": _error_response([item for item in classes if item.http_status == status])
        for status in sorted({item.http_status for item in classes})
    }


def _error_response(classes: list[type[AthenaError]]) -> dict[str, Any]:
    examples = {item.__name__: {"summary": _summary(item), "value": _error_example(item)} for item in classes}
    response: dict[str, Any] = {
        "description": " ".join(f"{item.code}: {_summary(item)}" for item in classes),
        "content": {"application/json": {"schema": _ref("Error"), "examples": examples}},
    }
    if any(item.retryable for item in classes):
        response["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": TEXT}}
    return response


def _summary(error: type[AthenaError]) -> str:
    return " ".join((error.__doc__ or error.__name__).split())


def _error_example(error: type[AthenaError]) -> dict[str, Any]:
    return {"header": {"code": error.code, "message": _summary(error), "sid": ""}}


def _errors(classes: Iterable[type[AthenaError]]) -> dict[str, Any]:
    statuses = sorted({item.http_status for item in classes})
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}


def common_schemas() -> dict[str, JsonSchema]:
    """Returns the schemas that do not depend on an ability."""
    problem = _object(
        {"pointer": TEXT, "detail": TEXT}, "Where in the request (RFC 6901), and what is wrong."
    )
    header = {"code": {"type": "integer"}, "message": TEXT, "sid": TEXT}
    listed = {**header, "errors": {"type": "array", "items": problem}}
    return {
        "Error": _object({"header": _object(listed, required=list(header))}),
        "Job": _job_schema(),
        "Accepted": _object(
            {"header": _object(header), "job": _ref("Job"), "urls": _object({"job": TEXT})},
            "The job goes on; `urls.job` is where to ask for it.",
        ),
        "JobAnswer": _object(
            {
                "header": _object({**header, "gpu_type": TEXT}, required=list(header)),
                "job": _ref("Job"),
                "payload": {"type": "object", "description": "The outputs, once the job has succeeded."},
            },
            required=["header", "job"],
        ),
        "AnswerHeader": answer_header(),
    }


def _job_schema() -> JsonSchema:
    nothing_yet: JsonSchema = {"type": ["string", "null"]}
    return _object(
        {
            "id": TEXT,
            "service_id": TEXT,
            "state": {"type": "string", "enum": [str(state) for state in JobState]},
            "app_id": TEXT,
            "request_id": nothing_yet,
            "queue": TEXT,
            "gpu_type": nothing_yet,
            "attempts": {"type": "integer"},
            "queued_ms": {"type": "integer", "description": "Milliseconds since 1970."},
            "started_ms": TIME,
            "finished_ms": TIME,
        }
    )


def _ability_schemas(interface: Interface) -> dict[str, JsonSchema]:
    request, answer = request_schema(interface), answer_schema(interface)
    answer["properties"]["header"] = _ref("AnswerHeader")
    for schema in (request, answer):
        # OpenAPI 3.1 has this dialect already; examples stand beside the schema.
        schema.pop("$schema")
        schema.pop("examples", None)
    return {f"{interface.service_id}.Request": request, f"{interface.service_id}.Answer": answer}


def _form_schema(interface: Interface) -> JsonSchema:
    """Returns the schema of the form that `athena.uploads` turns into a request."""
    file: JsonSchema = {"type": "string", "contentMediaType": "application/octet-stream"}
    fields = {spec.key: TEXT for spec in interface.params if spec.key not in interface.input_types}
    return {
        "type": "object",
        "description": "The same request as files and fields; docs/protocol.md, 1.7 says how they are named.",
        "properties": {"app_id": TEXT, **fields, **{spec.key: file for spec in interface.inputs}},
        "additionalProperties": True,
    }


def _run_operation(interface: Interface) -> dict[str, Any]:
    service_id = interface.service_id
    body: dict[str, Any] = {"schema": _ref(f"{service_id}.Request")}
    if interface.example is not None:
        body["examples"] = {"example": {"value": interface.example}}
    return {
        "operationId": f"run.{service_id}",
        "tags": ["abilities"],
        "summary": interface.description or f"Runs {service_id}",
        "parameters": [
            {
                "name": "Prefer",
                "in": "header",
                "description": "`wait=N` waits N seconds at most, `respond-async` not at all.",
                "schema": TEXT,
            }
        ],
        "requestBody": {
            "required": True,
            "content": {"application/json": body, "multipart/form-data": {"schema": _form_schema(interface)}},
        },
        "responses": {
            "200": _json("The job succeeded.", _ref(f"{service_id}.Answer")),
            "202": {
                **_json("The job goes on.", _ref("Accepted")),
                "headers": {"Location": {"schema": TEXT}, "Retry-After": {"schema": TEXT}},
            },
            **_errors(RUN_ERRORS),
        },
    }


def _job_paths() -> dict[str, Any]:
    name = _parameter("name", "path", TEXT, "The id of the job, or the caller's own request_id.")
    app_id = _parameter("app_id", "query", TEXT, "Whose job, where several apps use the same request_id.")
    wait = _parameter("wait", "query", {"type": "number", "minimum": 0}, "Seconds to wait for the end.")
    show = {
        "operationId": "showJob",
        "tags": ["jobs"],
        "summary": "Tells how a job stands, and what came of it",
        "parameters": [name, app_id, wait],
        "responses": {
            "200": _json("A job, a failed one included.", _ref("JobAnswer")),
            **_errors(FIND_ERRORS),
        },
    }
    key = _parameter("key", "path", TEXT, "The name of the output.")
    output = {
        "operationId": "showOutput",
        "tags": ["jobs"],
        "summary": "Answers with the bytes of one output",
        "parameters": [name, key, app_id],
        "responses": {
            "200": {"description": "The data, base64 removed.", "content": {"*/*": {}}},
            **_errors((*FIND_ERRORS, *JOB_ERRORS)),
        },
    }
    return {"/v1/jobs/{name}": {"get": show}, "/v1/jobs/{name}/outputs/{key}": {"get": output}}


def _ability_paths() -> dict[str, Any]:
    ability: JsonSchema = {"type": "object", "properties": {"service_id": TEXT}, "required": ["service_id"]}
    listed = _object({"abilities": {"type": "array", "items": ability}})
    service_id = _parameter("service_id", "path", TEXT, "The name of the ability.")
    index = _get("listAbilities", "abilities", "Lists the abilities", _json("All of them.", listed))
    show = _get("showAbility", "abilities", "Describes an ability", _json("The ability.", ability))
    index["responses"].update(_errors((StoreError, InternalError)))
    show["responses"].update(_errors((NotFoundError, UnservedError, InternalError)))
    show["parameters"] = [service_id]
    return {"/v1/abilities": {"get": index}, "/v1/abilities/{service_id}": {"get": show}}


def _probe_paths() -> dict[str, Any]:
    boolean: JsonSchema = {"type": "boolean"}
    checks: JsonSchema = {"type": "object", "additionalProperties": boolean}
    readiness = _json("One check for each connection.", _object({"ready": boolean, "checks": checks}))
    ready = _get("isReady", "probes", "Whether requests can be queued and answers come back", readiness)
    ready["responses"]["503"] = readiness
    return {
        "/livez": {
            "get": _get("isAlive", "probes", "Whether it lives", _json("Yes.", _object({"live": boolean})))
        },
        "/readyz": {"get": ready},
        "/openapi.json": {
            "get": _get("showDocument", "probes", "This document", _json("It.", {"type": "object"}))
        },
    }


def _get(operation_id: str, tag: str, summary: str, answer: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": operation_id, "tags": [tag], "summary": summary, "responses": {"200": answer}}


def _json(description: str, schema: JsonSchema) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _parameter(name: str, place: str, schema: JsonSchema, description: str) -> dict[str, Any]:
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, "description": description, "schema": schema, **required}


def _object(
    properties: dict[str, JsonSchema], description: str = "", required: list[str] | None = None
) -> JsonSchema:
    schema: JsonSchema = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {**schema, "description": description} if description else schema


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}
