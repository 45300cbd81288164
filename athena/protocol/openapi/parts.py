"""Parts that OpenAPI documents are made of."""

from collections.abc import Iterable
from typing import Any

from athena.errors import AthenaError
from athena.protocol.json_schema import JsonSchema

TEXT: JsonSchema = {"type": "string"}
INTEGER: JsonSchema = {"type": "integer"}
NO_TEXT_YET: JsonSchema = {"type": ["string", "null"]}
NO_NUMBER_YET: JsonSchema = {"type": ["number", "null"]}
TIME: JsonSchema = {"type": ["integer", "null"], "description": "Milliseconds since 1970."}


def get_operation(operation_id: str, tag: str, summary: str, answer: dict[str, Any]) -> dict[str, Any]:
    """Returns a GET operation."""
    return {"operationId": operation_id, "tags": [tag], "summary": summary, "responses": {"200": answer}}


def json_answer(description: str, schema: JsonSchema) -> dict[str, Any]:
    """Returns a response with a JSON body."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def parameter(name: str, place: str, schema: JsonSchema, description: str) -> dict[str, Any]:
    """Returns a parameter; those in the path are required."""
    required = {"required": True} if place == "path" else {}
    return {"name": name, "in": place, "description": description, "schema": schema, **required}


def object_schema(
    properties: dict[str, JsonSchema], description: str = "", required: list[str] | None = None
) -> JsonSchema:
    """Returns the schema of an object; all members are required unless it is said which."""
    schema: JsonSchema = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
    return {**schema, "description": description} if description else schema


def schema_ref(name: str) -> JsonSchema:
    """Returns a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def errors_of(classes: Iterable[type[AthenaError]]) -> dict[str, Any]:
    """Returns the responses of errors, by HTTP status."""
    statuses = sorted({item.http_status for item in classes})
    return {str(status): {"$ref": f"#/components/responses/Error{status}"} for status in statuses}
