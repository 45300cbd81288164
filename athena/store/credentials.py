"""Applications and their keys in Redis: commands, and how their answers are read."""

import secrets
from typing import Any

from athena.store.keys import APPS
from athena.store.scripts import PUT_APP, Command, pairs

#: The field of the version: no application has this name.
_VERSION = ""


def version_command() -> Command:
    """Asks for the version of all applications: a text that is another one after each change."""
    return ("HGET", APPS, _VERSION)


def apps_command() -> Command:
    """Asks for all applications."""
    return ("HGETALL", APPS)


def app_command(app_id: str) -> Command:
    """Asks for the document of one application."""
    return ("HGET", APPS, app_id)


def apps_of(reply: Any) -> tuple[str, dict[str, bytes]]:
    """Returns the version, and the documents by app_id, from the answer of `apps_command`."""
    fields = {name.decode(): document for name, document in pairs(reply).items()}
    version = fields.pop(_VERSION, b"")
    return version.decode(), fields


def put_app_command(app_id: str, before: bytes, after: bytes) -> Command:
    """Writes an application; the answer is 0 where it is not as `before` any more, b"" for a new one."""
    return PUT_APP.call((APPS,), (app_id, before, after, secrets.token_hex(8)))
