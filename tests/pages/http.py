"""docs/http.md: every route that a caller may use, from the document that `GET /openapi.json` answers with."""

from collections.abc import Iterator
from typing import Any

from athena.protocol.interface import DataSpec, Interface, Limits, ParamSpec
from athena.protocol.openapi.document import openapi_document
from tests.pages.markdown import code, note, sentence, table

INTRO = """\
# HTTP routes

Each route that callers use, with what goes in and what comes out. A gateway says the same of itself at
`GET /openapi.json`, with a route and schemas for each ability it serves; here `{service_id}` stands for the ability.
What the envelope means is in [protocol.md](protocol.md), what errors mean in [errors.md](errors.md). Routes for operators,
below `/v1/admin`, are in [operations.md](operations.md).

Errors have the form [Error](#error) and one of the statuses listed; [errors.md](errors.md) has a row for each. Each route
may answer 401 and 403 where keys are on ([security.md](security.md)), and 429 where an application has a quota.
"""

TAGS = {
    "abilities": "Run an ability, and ask what it accepts",
    "jobs": "Jobs",
    "workers": "The fleet",
    "probes": "Probes, and this list for programs",
}


def render() -> str:
    """Returns the page.

    Raises:
        LookupError: a route has a tag that the page has no section for.
    """
    document = openapi_document([_any_ability()])
    schemas = document["components"]["schemas"]
    sections = {tag: [f"## {title}\n"] for tag, title in TAGS.items()}
    for path, method, operation in _operations(document):
        sections[operation["tags"][0]].append(_route(method, path, operation, schemas))
    parts = [part for section in sections.values() for part in section]
    return "\n".join([note("athena/protocol/openapi"), INTRO, *parts, _objects(schemas)])


def _any_ability() -> Interface:
    inputs, outputs = (DataSpec("text"),), (DataSpec("text"),)
    params = (ParamSpec("lang"),)
    return Interface("{service_id}", "v1", "", params, inputs, outputs, ("cpu",), True, Limits())


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def _route(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    parts = [f"### {method} {path}\n\n{sentence(operation['summary'])}\n"]
    if operation.get("parameters"):
        rows = (
            (code(item["name"]), item["in"], _kind(item["schema"]), item["description"])
            for item in operation["parameters"]
        )
        parts.append(table(("parameter", "in", "type", "meaning"), rows))
    if "requestBody" in operation:
        parts.append(_body(operation["requestBody"]["content"]))
    responses = operation["responses"].items()
    answers = ((status, *_answer(response)) for status, response in responses if "$ref" not in response)
    parts.append(table(("status", "body", "meaning"), answers))
    if errors := ", ".join(status for status, response in responses if "$ref" in response):
        parts.append(f"Errors: {errors}.\n")
    return "\n".join(parts)


def _body(content: dict[str, Any]) -> str:
    kinds = (f"{code(kind)}: {_kind(item['schema'])}" for kind, item in content.items())
    return f"The body is one of {'; '.join(kinds)}.\n" if len(content) > 1 else f"The body: {next(kinds)}.\n"


def _answer(response: dict[str, Any]) -> tuple[str, str]:
    bodies = (
        f"{code(kind)} {_kind(item['schema']) if 'schema' in item else ''}".strip()
        for kind, item in response["content"].items()
    )
    headers = ", ".join(map(code, response.get("headers", {})))
    return "; ".join(bodies), f"{response['description']}{f' Headers: {headers}.' if headers else ''}"


def _kind(schema: dict[str, Any]) -> str:
    """Returns what a schema asks for, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        own = {"Plain": "inputs by name", "PlainAnswer": "outputs by name", "Request": "an envelope"}
        own["Answer"] = "an envelope"
        return f"[{name}](#{name.lower()})" if not name.startswith("{") else own[name.partition(".")[2]]
    if "anyOf" in schema:
        return " or ".join(map(_kind, schema["anyOf"]))
    if "enum" in schema:
        return "one of " + ", ".join(code(str(item)) for item in schema["enum"])
    kinds = schema.get("type", "any")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if "array" in kinds:
        return f"list of {_kind(schema.get('items', {}))}"
    if "object" in kinds and schema.get("properties"):
        return "object with " + ", ".join(
            f"{code(name)} ({_kind(item)})" for name, item in schema["properties"].items()
        )
    return " or ".join(kinds)


def _objects(schemas: dict[str, Any]) -> str:
    """Returns the sections of the objects that routes refer to by name."""
    parts = ["## Objects\n"]
    for name, schema in schemas.items():
        if name.startswith("{"):
            continue
        parts.append(f"### {name}\n")
        if "description" in schema:
            parts.append(f"{sentence(schema['description'])}\n")
        required = schema.get("required", ())
        rows = (
            (code(key), _kind(item), "" if key in required else "may be absent", _meaning(item))
            for key, item in schema["properties"].items()
        )
        parts.append(table(("member", "type", "", "meaning"), rows))
    return "\n".join(parts)


def _meaning(schema: dict[str, Any]) -> str:
    text: str = schema.get("description", "")
    return sentence(text) if text else ""
