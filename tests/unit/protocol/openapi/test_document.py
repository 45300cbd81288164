"""The OpenAPI document fits together, and says what the gateway does."""

import re
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pytest
from flask import Flask
from jsonschema import Draft202012Validator

from api.app import create_app
from api.gateway.gateway import Gateway
from api.http.asgi import SCOPE
from api.http.problems import error_body
from api.views import openapi as view
from athena import __version__
from athena.errors import AthenaError, Problem
from athena.jobs.record import JobRecord
from athena.protocol.openapi.document import common_schemas, error_classes, openapi_document
from athena.settings import from_env
from tests.unit.protocol.checks.test_quick_check import BASE, INTERFACE
from tests.unit.protocol.test_json_schema import NOTHING_DECLARED

ECHO = replace(INTERFACE, description="Repeats", example=BASE)
OPEN = replace(NOTHING_DECLARED, service_id="open-1")
DOCUMENT = openapi_document([ECHO, OPEN])

METHODS = {"get", "post", "put", "delete", "patch"}


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields path, method and operation."""
    for path, item in DOCUMENT["paths"].items():
        for method in item.keys() & METHODS:
            yield path, method, item[method]


def nodes(value: Any) -> Iterator[Any]:
    """Yields a JSON value and all values in it."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(item)


def resolved(reference: str) -> Any:
    """Returns what a reference inside the document leads to."""
    place: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        place = place[name]
    return place


def validator(name: str) -> Draft202012Validator:
    """Returns a validator for a schema of the document."""
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", **DOCUMENT})


def test_the_document_is_json_of_openapi_3_1() -> None:
    assert orjson.loads(orjson.dumps(DOCUMENT)) == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"
    assert DOCUMENT["info"]["version"] == __version__
    assert DOCUMENT.keys() == {"openapi", "info", "servers", "paths", "components"}


def test_every_reference_leads_somewhere() -> None:
    references = {node["$ref"] for node in nodes(DOCUMENT) if isinstance(node, dict) and "$ref" in node}

    assert references
    for reference in references:
        assert resolved(reference)


def test_every_schema_is_a_json_schema() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
        # A document has one dialect, and says so itself.
        assert "$schema" not in schema


def test_component_names_are_allowed() -> None:
    for components in DOCUMENT["components"].values():
        for name in components:
            assert re.fullmatch(r"[A-Za-z0-9._-]+", name)


def test_operations_are_whole() -> None:
    ids = [operation["operationId"] for _, _, operation in operations()]

    assert len(set(ids)) == len(ids)
    for path, _, operation in operations():
        assert operation["summary"]
        in_path = {item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"}
        assert in_path == set(re.findall(r"{(\w+)}", path))
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[2-5]\d\d", status)
            response = resolved(response["$ref"]) if "$ref" in response else response
            assert response["description"]


def test_every_route_is_described() -> None:
    app = create_app(Gateway(from_env({})))
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    # These two run abilities, each of which has a path of its own.
    routes -= {("/", "post"), ("/{path}", "post")}
    # What a person reads in a browser.
    routes -= {("/", "get"), ("/docs", "get"), ("/static/{name}", "get")}
    routes |= {("/openapi.json", "get")}

    described = {(path, method) for path, method, _ in operations() if "/v1/private/" not in path}
    assert described == routes


def test_an_ability_has_its_path_and_its_example() -> None:
    operation = DOCUMENT["paths"]["/v1/private/echo"]["post"]

    body = operation["requestBody"]["content"]["application/json"]
    assert operation["summary"] == "Repeats"
    assert body["examples"]["example"]["value"] == BASE
    assert validator("echo.Request").is_valid(BASE)
    assert not validator("echo.Request").is_valid({**BASE, "header": {"app_id": "a"}})
    assert "examples" not in DOCUMENT["paths"]["/v1/private/open-1"]["post"]["requestBody"]["content"]
    assert validator("open-1.Request").is_valid({"header": BASE["header"], "payload": {"x": {"any": 1}}})


@pytest.mark.parametrize("error", error_classes(), ids=lambda error: error.__name__)
def test_every_error_has_its_status_and_code(error: type[AthenaError]) -> None:
    response = DOCUMENT["components"]["responses"][f"Error{error.http_status}"]

    example = response["content"]["application/json"]["examples"][error.__name__]["value"]
    assert example["header"]["code"] == error.code
    assert f"{error.code}: " in response["description"]
    assert ("Retry-After" in response.get("headers", {})) >= error.retryable


def test_errors_have_the_form_that_the_gateway_gives_them() -> None:
    plain = AthenaError("broken")
    listed = AthenaError("wrong", problems=(Problem("/header", "is required"),))

    for error in (plain, listed):
        validator("Error").validate(orjson.loads(error_body(error, "")))
    assert not validator("Error").is_valid({"header": {"code": 1}})


def test_jobs_have_the_members_that_are_described() -> None:
    record = JobRecord.decode("1", {b"state": b"queued"}, None)

    # Why a job does not run yet is not in its record.
    assert {*record.describe(), "reason", "timeline"} == set(common_schemas()["Job"]["properties"])
    validator("Job").validate(record.describe())


def test_the_route_answers_with_the_abilities_that_are_known_now() -> None:
    fleet = SimpleNamespace(interfaces={"echo": ECHO})
    app = Flask(__name__)
    settings = SimpleNamespace(url_prefix="/athena")
    gateway = SimpleNamespace(watch=SimpleNamespace(fleet=fleet), settings=settings, access=None)
    app.register_blueprint(view.blueprint(cast(Gateway, gateway)))
    client = app.test_client()
    # No request has passed the gate, so there is no caller either.
    cast(dict[str, Any], client.environ_base)[SCOPE] = {}

    assert client.get("/openapi.json").json == openapi_document([ECHO], "/athena")
    fleet.interfaces = {"open-1": OPEN, "echo": ECHO}
    assert client.get("/openapi.json").json == {**DOCUMENT, "servers": [{"url": "/athena"}]}
    assert client.get("/openapi.json").json == {**DOCUMENT, "servers": [{"url": "/athena"}]}


def test_an_ability_takes_a_form_too() -> None:
    content = DOCUMENT["paths"]["/v1/private/echo"]["post"]["requestBody"]["content"]

    form = content["multipart/form-data"]["schema"]["properties"]

    keys = {*(spec.key for spec in ECHO.params), *(spec.key for spec in ECHO.inputs)}
    assert form.keys() == {"app_id", *keys}
    assert all("contentMediaType" in form[spec.key] for spec in ECHO.inputs)
