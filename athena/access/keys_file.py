"""Applications that stand in a file, for installations whose keys are not to lie in Redis.

[apps.shop]
abilities = ["ocr"]

[[apps.shop.keys]]
api_key = "AK0123456789abcdef0123"
sha256 = "…"
secret = "…"
expires = 2027-01-31T00:00:00Z
"""

import json
import tomllib
from pathlib import Path

from athena.access.apps import App
from athena.access.documents import document_of, read_app
from athena.errors import ConfigError


def read_keys_file(path: Path) -> list[App]:
    """Reads the applications of a file.

    Raises:
        ConfigError: it cannot be read, or is not as it must be.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot read it: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: it is no TOML: {error}") from None
    apps = document.pop("apps", {})
    if document or not isinstance(apps, dict):
        raise ConfigError(f"{path}: it holds tables [apps.<app_id>], and nothing else")
    try:
        return _all_different([read_app(app_id, members) for app_id, members in apps.items()])
    except ConfigError as error:
        raise ConfigError(f"{path}: {error.message}") from None


def _all_different(apps: list[App]) -> list[App]:
    seen: set[str] = set()
    for key in (key for app in apps for key in app.keys):
        for name in (key.api_key, key.token_hash):
            if name and name in seen:
                raise ConfigError(f"two keys are the same: {key.api_key}")
            seen.add(name)
    return apps


def toml_of(app: App) -> str:
    """Returns an application as it stands in such a file."""
    document = document_of(app)
    keys = document.pop("keys")
    name = f"apps.{_text(app.app_id)}"
    lines = [f"[{name}]", *(f"{member} = {json.dumps(value)}" for member, value in document.items())]
    for key in keys:
        lines += ["", f"[[{name}.keys]]", *(f"{member} = {_text(value)}" for member, value in key.items())]
    return "\n".join(lines) + "\n"


def _text(value: str) -> str:
    # A JSON string is a basic string of TOML, but for U+007F, which no name here has.
    return json.dumps(value, ensure_ascii=False)
