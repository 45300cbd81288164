"""The page for people, and what programs get in its place."""

from flask import Blueprint, Response, request

from api.gateway.gateway import Gateway
from api.http.answers import json_response
from api.http.heads import PAGE_POLICY
from api.page.assets import Asset, load_assets
from athena.errors import NotFoundError

_HTML = "text/html"


class Page:
    """Answers with the files of the page; they hold nothing of a caller, so they need no key."""

    def __init__(self, gateway: Gateway) -> None:
        self._prefix = gateway.settings.url_prefix
        self._assets = load_assets()

    def index(self) -> Response:
        """Answers browsers with the page, and programs with where to go on."""
        if request.accept_mimetypes.best_match(["application/json", _HTML]) == _HTML:
            response = _shown(self._assets["index.html"])
        else:
            response = json_response(self._places())
        response.headers["Vary"] = "Accept"
        return response

    def docs(self) -> Response:
        """Answers with the page that shows the OpenAPI document."""
        return _shown(self._assets["docs.html"])

    def static(self, name: str) -> Response:
        """Answers with a script, a style or a picture."""
        asset = self._assets.get(f"static/{name}")
        if asset is None:
            raise NotFoundError("there is nothing at this path")
        return _shown(asset)

    def _places(self) -> dict[str, object]:
        paths = {
            "abilities": "/v1/abilities",
            "jobs": "/v1/jobs",
            "run": "/v1/private/{service_id}",
            "openapi": "/openapi.json",
            "docs": "/docs",
            "ready": "/readyz",
        }
        return {"name": "Athena Serving", "urls": {name: self._prefix + path for name, path in paths.items()}}


def _shown(asset: Asset) -> Response:
    response = Response(asset.data, content_type=asset.content_type)
    response.headers["Content-Security-Policy"] = PAGE_POLICY
    return response


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes."""
    routes = Blueprint("page", __name__)
    page = Page(gateway)
    routes.add_url_rule("/", view_func=page.index, endpoint="index")
    routes.add_url_rule("/docs", view_func=page.docs, endpoint="docs")
    routes.add_url_rule("/static/<path:name>", view_func=page.static, endpoint="static")
    return routes
