"""The HTTP API as an OpenAPI 3.1 document: a path for each ability, and the routes that are always there.

What an ability accepts comes from its interface (`athena.protocol.json_schema`), errors from the classes in
`athena.errors`; the routes are written here, and tests/unit/test_openapi.py compares them with Flask's.
"""

from collections.abc import Iterable
from typing import Any

from athena import __version__, errors
from athena.errors import (
    AthenaError,
    BodyTooLargeError,
    ForbiddenError,
    InternalError,
    MediaTypeError,
    NotFoundError,
    QueueFullError,
    RequestIdConflictError,
    ResultExpiredError,
    StoreError,
    UnservedError,
    WaitTimeoutError,
)
from athena.protocol.interface import Interface
from athena.protocol.json_schema import JsonSchema, answer_header, answer_schema, request_schema
from athena.protocol.openapi.jobs import JOB_ERRORS, job_paths, job_schema
from athena.protocol.openapi.parts import (
    TEXT,
    errors_of,
    get_operation,
    json_answer,
    object_schema,
    parameter,
    schema_ref,
)
from athena.protocol.plain_schema import data_kinds, plain_answer_schema, plain_request_schema

RUN_ERRORS = (
    *JOB_ERRORS,
    ForbiddenError,
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


def openapi_document(
    interfaces: Iterable[Interface], url_prefix: str = "", needs_keys: bool = False
) -> dict[str, Any]:
    """Returns the document of a gateway that serves these abilities; the prefix is that of the settings."""
    paths: dict[str, Any] = {}
    schemas = common_schemas()
    for interface in interfaces:
        paths[interface.path] = {"post": _run_operation(interface)}
        schemas.update(_ability_schemas(interface))
    components: dict[str, Any] = {"schemas": schemas, "responses": error_responses()}
    if needs_keys:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Athena Serving",
            "version": __version__,
            "description": "Runs abilities on requests of the ASF protocol, at once or as jobs.",
        },
        "servers": [{"url": url_prefix or "/"}],
        "paths": {**paths, **job_paths(), **_ability_paths(), **_fleet_paths(), **_probe_paths()},
        "components": components,
        **({"security": [{"key": []}]} if needs_keys else {}),
    }


def error_classes() -> list[type[AthenaError]]:
    """Returns the errors that callers can meet, as `athena.errors` defines them."""
    # ConfigError keeps a process from starting, so no caller meets it.
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
        "content": {"application/json": {"schema": schema_ref("Error"), "examples": examples}},
    }
    if any(item.retryable for item in classes):
        response["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": TEXT}}
    return response


def _summary(error: type[AthenaError]) -> str:
    return " ".join((error.__doc__ or error.__name__).split())


def _error_example(error: type[AthenaError]) -> dict[str, Any]:
    return {"header": {"code": error.code, "message": _summary(error), "sid": ""}}


def common_schemas() -> dict[str, JsonSchema]:
    """Returns the schemas that do not depend on an ability."""
    problem = object_schema(
        {"pointer": TEXT, "detail": TEXT}, "Where in the request (RFC 6901), and what is wrong."
    )
    header = {"code": {"type": "integer"}, "message": TEXT, "sid": TEXT}
    listed = {**header, "errors": {"type": "array", "items": problem}}
    return {
        "Error": object_schema({"header": object_schema(listed, required=list(header))}),
        "Job": job_schema(),
        "Accepted": object_schema(
            {"header": object_schema(header), "job": schema_ref("Job"), "urls": object_schema({"job": TEXT})},
            "The job goes on; `urls.job` is where to ask for it.",
        ),
        "JobAnswer": object_schema(
            {
                "header": object_schema({**header, "gpu_type": TEXT}, required=list(header)),
                "job": schema_ref("Job"),
                "payload": {"type": "object", "description": "The outputs, once the job has succeeded."},
            },
            required=["header", "job"],
        ),
        "AnswerHeader": answer_header(),
    }


def _ability_schemas(interface: Interface) -> dict[str, JsonSchema]:
    request, answer = request_schema(interface), answer_schema(interface)
    answer["properties"]["header"] = schema_ref("AnswerHeader")
    for schema in (request, answer):
        # OpenAPI 3.1 has this dialect already; examples stand beside the schema.
        schema.pop("$schema")
        schema.pop("examples", None)
    name = _component(interface)
    return {
        f"{name}.Plain": plain_request_schema(interface),
        f"{name}.PlainAnswer": plain_answer_schema(interface),
        f"{name}.Request": request,
        f"{name}.Answer": answer,
    }


def _component(interface: Interface) -> str:
    """Returns what the names of its schemas begin with: OpenAPI takes no `@` there."""
    return interface.service_id.replace("@", ".")


def _form_schema(interface: Interface) -> JsonSchema:
    """Returns the schema of the form that `athena.protocol.uploads` turns into a request."""
    file: JsonSchema = {"type": "string", "contentMediaType": "application/octet-stream"}
    fields = {spec.key: TEXT for spec in interface.params if spec.key not in interface.input_types}
    return {
        "type": "object",
        "description": "The same request as files and fields; docs/protocol.md, 1.7 says how they are named.",
        "properties": {"app_id": TEXT, **fields, **{spec.key: file for spec in interface.inputs}},
        "additionalProperties": True,
    }


def _run_operation(interface: Interface) -> dict[str, Any]:
    name = _component(interface)
    body: dict[str, Any] = {"schema": _any_of(f"{name}.Plain", f"{name}.Request")}
    if interface.example is not None:
        body["examples"] = {"example": {"value": interface.example}}
    return {
        "operationId": f"run.{name}",
        "tags": ["abilities"],
        "summary": interface.description or f"Runs {interface.service_id}",
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
            "200": _succeeded(interface),
            "202": {
                **json_answer("The job goes on.", schema_ref("Accepted")),
                "headers": {"Location": {"schema": TEXT}, "Retry-After": {"schema": TEXT}},
            },
            **errors_of(RUN_ERRORS),
        },
    }


def _any_of(*names: str) -> JsonSchema:
    return {"anyOf": [schema_ref(name) for name in names]}


def _succeeded(interface: Interface) -> dict[str, Any]:
    """Returns the answer in the form of the request, or an output's data where `Accept` names its kind."""
    name = _component(interface)
    forms = _any_of(f"{name}.PlainAnswer", f"{name}.Answer")
    answer = json_answer("The job succeeded.", forms)
    answer["content"].update({kind: {} for kind in data_kinds(interface)})
    return answer


def _ability_paths() -> dict[str, Any]:
    ability: JsonSchema = {"type": "object", "properties": {"service_id": TEXT}, "required": ["service_id"]}
    listed = object_schema({"abilities": {"type": "array", "items": ability}})
    all_of_them, one = json_answer("All of them.", listed), json_answer("The ability.", ability)
    index = get_operation("listAbilities", "abilities", "Lists the abilities", all_of_them)
    show = get_operation("showAbility", "abilities", "Describes an ability", one)
    index["responses"].update(errors_of((StoreError, InternalError)))
    show["responses"].update(errors_of((NotFoundError, UnservedError, InternalError)))
    show["parameters"] = [parameter("service_id", "path", TEXT, "The name of the ability.")]
    return {"/v1/abilities": {"get": index}, "/v1/abilities/{service_id}": {"get": show}}


def _fleet_paths() -> dict[str, Any]:
    items: JsonSchema = {"type": "array", "items": {"type": "object"}}
    names: JsonSchema = {"type": "array", "items": TEXT}
    listed = object_schema({"workers": items, "hosts": items, "drained": names})
    fleet = json_answer("Workers, and the GPUs of their hosts.", listed)
    workers = get_operation("listWorkers", "workers", "Lists workers and GPUs", fleet)
    text = {"description": "Prometheus' text format.", "content": {"text/plain": {}}}
    metrics = get_operation("showMetrics", "workers", "Shows the fleet to Prometheus", text)
    for operation in (workers, metrics):
        operation["responses"].update(errors_of((StoreError, InternalError)))
    return {"/v1/workers": {"get": workers}, "/metrics": {"get": metrics}}


def _probe_paths() -> dict[str, Any]:
    boolean: JsonSchema = {"type": "boolean"}
    checks: JsonSchema = {"type": "object", "additionalProperties": boolean}
    names: JsonSchema = {"type": "array", "items": {"type": "string"}}
    checked = object_schema({"ready": boolean, "checks": checks, "loading": names})
    readiness = json_answer("One check for each thing that must be so.", checked)
    alive = json_answer("Yes.", object_schema({"live": boolean}))
    document = json_answer("It.", {"type": "object"})
    ready = get_operation("isReady", "probes", "Whether requests can be queued and answered", readiness)
    # Not the form of other errors: the checks say what is missing.
    ready["responses"]["503"] = readiness
    return {
        "/livez": {"get": get_operation("isAlive", "probes", "Whether it lives", alive)},
        "/readyz": {"get": ready},
        "/openapi.json": {"get": get_operation("showDocument", "probes", "This document", document)},
    }
