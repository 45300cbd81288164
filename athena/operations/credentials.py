"""What operators do with applications and their keys."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from athena.access.apps import MAX_LIVE_KEYS, App, Key
from athena.access.documents import document_of, read_app, time_text
from athena.access.scopes import Scopes
from athena.errors import ConfigError, KeyStateError, NotFoundError, StoreError
from athena.operations.steps import Steps
from athena.store.credentials import app_command, apps_command, apps_of, put_app_command

logger = logging.getLogger(__name__)

#: How long the key before stays, where nobody says otherwise: a week to bring the new one to its callers.
OVERLAP_S = 7 * 86400

#: How often somebody else may come in between before it is given up.
_TRIES = 10

Change = Callable[[App | None], App]


def list_apps() -> Steps[list[App]]:
    """Lists all applications, by their names."""
    _, documents = apps_of((yield apps_command()))
    return decode_apps(documents)


def decode_apps(documents: Mapping[str, bytes]) -> list[App]:
    """Reads the documents of applications; one that cannot be read is left out: its keys open nothing."""
    apps = []
    for app_id in sorted(documents):
        try:
            apps.append(_decode(app_id, documents[app_id]))
        except ConfigError as error:
            logger.warning("the keys of an application cannot be read: %s", error.message)
    return apps


def create_app(app_id: str, scopes: Scopes, key: Key) -> Steps[App]:
    """Makes an application with its first key.

    Raises:
        KeyStateError: it is there already.
    """

    def change(app: App | None) -> App:
        if app is not None:
            raise KeyStateError(f"there is an application {app_id!r} already; rotate gives it another key")
        return App(app_id, scopes, (key,))

    return (yield from _changed(app_id, change))


def set_scopes(app_id: str, scopes: Scopes) -> Steps[App]:
    """Says anew what an application may do; its keys stay.

    Raises:
        NotFoundError: there is none of that name.
    """
    return change_scopes(app_id, lambda _: scopes)


def change_scopes(app_id: str, change: Callable[[Scopes], Scopes]) -> Steps[App]:
    """Changes what an application may do; its keys stay.

    Raises:
        NotFoundError: there is none of that name.
    """

    def changed(app: App | None) -> App:
        app = _known(app_id, app)
        return replace(app, scopes=change(app.scopes))

    return (yield from _changed(app_id, changed))


def rotate_key(app_id: str, key: Key, overlap_s: float, now_s: float) -> Steps[App]:
    """Gives an application another key; the one that it has opens for some time more.

    Raises:
        NotFoundError: there is no such application.
        KeyStateError: it has two live keys.
    """

    def change(app: App | None) -> App:
        app = _known(app_id, app)
        live = app.live_keys(now_s)
        if len(live) >= MAX_LIVE_KEYS:
            names = " and ".join(known.api_key for known in live)
            raise KeyStateError(f"{app_id!r} has {len(live)} live keys, {names}; revoke one first")
        for known in live:
            ends_s = now_s + overlap_s
            app = app.with_changed(replace(known, expires_s=min(known.expires_s or ends_s, ends_s)))
        return app.with_key(key, now_s)

    return (yield from _changed(app_id, change))


def revoke_keys(name: str, now_s: float) -> Steps[list[str]]:
    """Takes back one key, named by its api_key, or all of an application; returns their names.

    Raises:
        NotFoundError: there is neither a key nor an application of that name.
    """
    for app in (yield from list_apps()):
        wanted = [key.api_key for key in app.live_keys(now_s) if name in (key.api_key, app.app_id)]
        if name == app.app_id or wanted:
            yield from _changed(app.app_id, _revoking(app.app_id, wanted, now_s))
            return wanted
        if any(key.api_key == name for key in app.keys):
            raise NotFoundError(f"the key {name} opens no more")
    raise NotFoundError(f"there is no key and no application {name!r}")


def _revoking(app_id: str, names: list[str], now_s: float) -> Change:
    def change(app: App | None) -> App:
        app = _known(app_id, app)
        for key in app.keys:
            if key.api_key in names and not key.revoked_s:
                app = app.with_changed(replace(key, revoked_s=now_s))
        return app

    return change


def describe_app(app: App, now_s: float) -> dict[str, Any]:
    """Returns an application for operators: its scopes, and its keys without what opens."""
    document = document_of(app)
    document["keys"] = [_describe_key(key, now_s) for key in app.keys]
    return {"app_id": app.app_id, **document}


def _describe_key(key: Key, now_s: float) -> dict[str, Any]:
    state = "live" if key.is_live(now_s) else "revoked" if key.revoked_s else "expired"
    times = (("created", key.created_s), ("expires", key.expires_s), ("revoked", key.revoked_s))
    shown = {name: time_text(moment_s) if moment_s else None for name, moment_s in times}
    return {"api_key": key.api_key, "state": state, "signs": bool(key.secret), **shown}


def _known(app_id: str, app: App | None) -> App:
    if app is None:
        raise NotFoundError(f"there is no application {app_id!r}")
    return app


def _changed(app_id: str, change: Change) -> Steps[App]:
    """Changes an application, also where others change it at the same time."""
    for _ in range(_TRIES):
        before = (yield app_command(app_id)) or b""
        app = change(_decode(app_id, before) if before else None)
        after = orjson.dumps(document_of(app))
        # What could not be read again must not be written.
        _decode(app_id, after)
        if (yield put_app_command(app_id, before, after)):
            return app
    raise StoreError(f"others change {app_id!r} all the time; try again", retry_after_s=1)


def _decode(app_id: str, raw: bytes) -> App:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise ConfigError(f"{app_id}: it is no JSON") from None
    return read_app(app_id, document)
