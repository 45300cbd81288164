"""Applications and their keys over HTTP: what `athena keys` does."""

import time
from typing import Any

from flask import Blueprint, Response, request

from api.gateway.gateway import Gateway
from api.http.answers import json_response
from api.http.asgi import BODY
from api.http.json_body import load_json
from api.http.request_body import RequestBody
from api.views.admin import noted, protect
from athena.access.documents import read_app
from athena.access.minting import NewKey, mint
from athena.access.scopes import Scopes
from athena.errors import ConfigError, KeyStateError, Problem, RequestError
from athena.operations.credentials import (
    OVERLAP_S,
    create_app,
    describe_app,
    list_apps,
    revoke_keys,
    rotate_key,
    set_scopes,
)

_DAY_S = 86400
_MAX_DAYS = 36500

#: A list of all abilities fits.
_MAX_BODY_BYTES = 65_536

#: Members of a body that are no scopes.
_TIMES = ("days", "overlap_days")


class AdminKeys:
    """Makes, lists, changes and revokes keys."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._seal_key = gateway.settings.seal_key

    async def keys(self) -> Response:
        """Lists applications and their keys."""
        now_s = time.time()
        apps = await self._gateway.operate(list_apps())
        return json_response({"apps": [describe_app(app, now_s) for app in apps]})

    async def create(self, app_id: str) -> Response:
        """Makes an application; answers with its first key."""
        document, days = await self._body("days")
        scopes = _read_scopes(app_id, document)
        now_s, new = time.time(), mint()
        key = new.kept(new.sealed(self._seal_key), now_s, now_s + days * _DAY_S if days else 0.0)
        await self._gateway.operate(create_app(app_id, scopes, key))
        return self._shown(app_id, new)

    async def scope(self, app_id: str) -> Response:
        """Changes what an application may do."""
        document, _ = await self._body("days")
        app = await self._gateway.operate(set_scopes(app_id, _read_scopes(app_id, document)))
        return json_response({"app": describe_app(app, time.time())})

    async def rotate(self, app_id: str) -> Response:
        """Answers with a second key of an application."""
        _, overlap_days = await self._body("overlap_days")
        now_s, new = time.time(), mint()
        key = new.kept(new.sealed(self._seal_key), now_s)
        overlap_s = OVERLAP_S if overlap_days is None else overlap_days * _DAY_S
        await self._gateway.operate(rotate_key(app_id, key, overlap_s, now_s))
        return self._shown(app_id, new)

    async def revoke(self, name: str) -> Response:
        """Takes a key back, or all keys of an application."""
        return json_response({"revoked": await self._gateway.operate(revoke_keys(name, time.time()))})

    def _shown(self, app_id: str, new: NewKey) -> Response:
        return json_response(new.shown(app_id, bool(self._seal_key)), 201)

    async def _body(self, days: str) -> tuple[dict[str, Any], float | None]:
        """Returns the body without its times, and one of them, in days."""
        if self._gateway.settings.keys_file:
            raise KeyStateError("the keys stand in a file (ATHENA_KEYS_FILE); change them there")
        body: RequestBody = request.environ[BODY]
        raw = await body.read(_MAX_BODY_BYTES)
        document = load_json(raw) if raw else {}
        if not isinstance(document, dict):
            raise _unfit("must be an object")
        value = document.get(days)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 <= value <= _MAX_DAYS):
            raise _unfit(f"{days} must be a number from 0 to {_MAX_DAYS}")
        return {name: member for name, member in document.items() if name not in _TIMES}, value


def _read_scopes(app_id: str, document: dict[str, Any]) -> Scopes:
    if "keys" in document:
        raise _unfit("keys are made here; send scopes alone")
    try:
        return read_app(app_id, document).scopes
    except ConfigError as error:
        raise _unfit(error.message) from None


def _unfit(detail: str) -> RequestError:
    return RequestError("the request's body cannot be used", problems=(Problem("", detail),))


def blueprint(gateway: Gateway) -> Blueprint:
    """Returns the routes; there are none without a token or keys."""
    routes = Blueprint("admin_keys", __name__, url_prefix="/v1/admin/keys")
    if not protect(routes, gateway):
        return routes
    views = AdminKeys(gateway)
    routes.add_url_rule("", view_func=views.keys, methods=["GET"], endpoint="keys")
    for verb, view in (
        ("create", views.create),
        ("scope", views.scope),
        ("rotate", views.rotate),
        ("revoke", views.revoke),
    ):
        path = f"/<{_named(verb)}>/{verb}"
        shown = noted(gateway, f"/keys{path}", view)
        routes.add_url_rule(path, view_func=shown, methods=["POST"], endpoint=verb)
    return routes


def _named(verb: str) -> str:
    return "name" if verb == "revoke" else "app_id"
