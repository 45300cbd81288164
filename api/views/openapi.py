"""The HTTP API as an OpenAPI document."""

from typing import Any

from flask import Blueprint, Response

from api.gateway.gateway import Gateway
from api.http.answers import json_response
from api.views.abilities import known_abilities
from athena.protocol.interface import Interface
from athena.protocol.openapi.document import openapi_document


class OpenApi:
    """Answers with the document of all abilities that were ever registered, and that the caller may run."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._interfaces: list[Interface] = []
        self._document: dict[str, Any] | None = None

    def show(self) -> Response:
        """Answers with the document; that of all abilities is made anew when they have changed."""
        known, knows = self._gateway.watch.fleet.interfaces, known_abilities()
        interfaces = [known[name] for name in sorted(known) if knows(name)]
        if len(interfaces) < len(known):
            return json_response(self._make(interfaces))
        if self._document is None or interfaces != self._interfaces:
            self._document, self._interfaces = self._make(interfaces), interfaces
        return json_response(self._document)

    def _make(self, interfaces: list[Interface]) -> dict[str, Any]:
        return openapi_document(
            interfaces, self._gateway.settings.url_prefix, self._gateway.access is not None
        )


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("openapi", __name__)
    routes.add_url_rule("/openapi.json", view_func=OpenApi(gateway).show, endpoint="show")
    return routes
