"""An application as text: JSON in Redis, TOML in a file of keys, both with the same members."""

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from athena.access.apps import App, Key
from athena.access.scopes import RIGHTS, Right, Role, Scopes
from athena.errors import ConfigError
from athena.protocol.enums import LANES

#: The longest `header.app_id` that requests may have.
MAX_APP_ID_CHARS = 50

_HASH = re.compile(r"[0-9a-f]{64}")
_API_KEY = re.compile(r"[A-Za-z0-9._~-]{4,64}")

_APP_MEMBERS = frozenset(("role", "rights", "abilities", "highest_lane", "gpu_id", "exclusive", "keys"))
_KEY_MEMBERS = frozenset(("api_key", "sha256", "secret", "created", "expires", "revoked"))


def document_of(app: App) -> dict[str, Any]:
    """Returns an application as a document; times are texts of RFC 3339."""
    scopes = app.scopes
    document: dict[str, Any] = {
        "role": str(scopes.role),
        "rights": [str(right) for right in RIGHTS if right in scopes.rights],
        "highest_lane": scopes.highest_lane,
        "gpu_id": scopes.gpu_id,
        "exclusive": scopes.exclusive,
    }
    if scopes.abilities is not None:
        document["abilities"] = sorted(scopes.abilities)
    return {**document, "keys": [_key_document(key) for key in app.keys]}


def _key_document(key: Key) -> dict[str, str]:
    times = (("created", key.created_s), ("expires", key.expires_s), ("revoked", key.revoked_s))
    document = {"api_key": key.api_key, "sha256": key.token_hash}
    if key.secret:
        document["secret"] = key.secret
    return document | {name: time_text(moment_s) for name, moment_s in times if moment_s}


def time_text(moment_s: float) -> str:
    """Returns a time as RFC 3339 writes it, to the second."""
    return datetime.fromtimestamp(int(moment_s), UTC).isoformat().replace("+00:00", "Z")


def read_app(app_id: str, document: Any) -> App:
    """Reads an application.

    Raises:
        ConfigError: it is not as it must be; the message names the member.
    """
    if not (0 < len(app_id) <= MAX_APP_ID_CHARS and app_id.isprintable()):
        raise ConfigError(f"an app_id has 1 to {MAX_APP_ID_CHARS} printable characters, got {app_id!r}")
    members = _members(document, _APP_MEMBERS, app_id)
    keys = members.get("keys", [])
    if not isinstance(keys, list):
        raise ConfigError(f"{app_id}: keys must be a list")
    return App(
        app_id,
        _read_scopes(app_id, members),
        tuple(_read_key(f"{app_id}: key {number}", key) for number, key in enumerate(keys, 1)),
    )


def _read_scopes(where: str, members: Mapping[str, Any]) -> Scopes:
    standard = Scopes()
    abilities = members.get("abilities")
    return Scopes(
        role=Role(_word(where, "role", members.get("role", standard.role), tuple(Role))),
        rights=frozenset(
            Right(_word(where, "rights", right, RIGHTS))
            for right in _texts(where, "rights", members.get("rights", list(RIGHTS)))
        ),
        abilities=None if abilities is None else frozenset(_texts(where, "abilities", abilities)),
        highest_lane=_word(where, "highest_lane", members.get("highest_lane", standard.highest_lane), LANES),
        gpu_id=_flag(where, "gpu_id", members.get("gpu_id", standard.gpu_id)),
        exclusive=_flag(where, "exclusive", members.get("exclusive", standard.exclusive)),
    )


def _read_key(where: str, document: Any) -> Key:
    members = _members(document, _KEY_MEMBERS, where)
    api_key, token_hash = members.get("api_key"), members.get("sha256", "")
    if not isinstance(api_key, str) or not _API_KEY.fullmatch(api_key):
        raise ConfigError(f"{where}: api_key has 4 to 64 letters, digits, '.', '_', '~' or '-'")
    if not isinstance(token_hash, str) or not (token_hash == "" or _HASH.fullmatch(token_hash)):
        raise ConfigError(f"{where}: sha256 has 64 hexadecimal digits, in small letters")
    secret = members.get("secret", "")
    if not isinstance(secret, str):
        raise ConfigError(f"{where}: secret must be a text")
    if not token_hash and not secret:
        raise ConfigError(f"{where}: it opens nothing; give sha256, secret, or both")
    times = (_read_time(f"{where}: {name}", members.get(name)) for name in ("created", "expires", "revoked"))
    return Key(api_key, token_hash, secret, *times)


def _read_time(where: str, value: Any) -> float:
    """Returns a time in seconds, 0 for none; TOML has a type of its own for it."""
    if value is None:
        return 0.0
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    except (TypeError, ValueError):
        moment = None
    # A time without a zone would mean another moment on each machine.
    if moment is None or moment.tzinfo is None:
        raise ConfigError(f"{where} must be a time such as 2027-01-31T00:00:00Z")
    return moment.timestamp()


def _members(document: Any, known: Collection[str], where: str) -> Mapping[str, Any]:
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: it must be a table of members")
    # A misspelled scope would else be one that is not limited.
    unknown = sorted(document.keys() - set(known))
    if unknown:
        raise ConfigError(
            f"{where}: there is no member {unknown[0]!r}; there are: {', '.join(sorted(known))}"
        )
    return document


def _texts(where: str, name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ConfigError(f"{where}: {name} must be a list of texts")
    return value


def _word(where: str, name: str, value: Any, words: Collection[str]) -> str:
    if not isinstance(value, str) or value not in words:
        raise ConfigError(f"{where}: {name} must be one of: {', '.join(words)}; got {value!r}")
    return str(value)


def _flag(where: str, name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where}: {name} must be true or false")
    return value
