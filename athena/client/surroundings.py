"""The address and the key, where nobody names them: from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from athena.client.credentials import BearerKey, Credentials, read_credentials
from athena.errors import ConfigError

URL, KEY, KEY_FILE, CA_FILE = "ATHENA_URL", "ATHENA_KEY", "ATHENA_KEY_FILE", "ATHENA_CA_FILE"

DEFAULT_URL = "http://127.0.0.1:30889"


def address_of(url: str | None, environ: Mapping[str, str] = os.environ) -> str:
    """Returns a gateway's address, without a slash at its end.

    Raises:
        ConfigError: it is none.
    """
    named = url or environ.get(URL) or DEFAULT_URL
    try:
        parts = urlsplit(named)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or parts.username:
        raise ConfigError(f"{named!r} is no address of a gateway ({URL}): it is like {DEFAULT_URL}")
    return named.rstrip("/")


def credentials_of(
    given: Credentials | str | None, environ: Mapping[str, str] = os.environ, signs: bool = False
) -> Credentials | None:
    """Returns the given key, or the environment's; None for none.

    Args:
        given: a key, or what signs.
        environ: where to look for one.
        signs: whether to sign with what a file of the environment holds.

    Raises:
        ConfigError: what is found is no key.
    """
    if isinstance(given, str):
        return BearerKey(given)
    if given is not None:
        return given
    file = environ.get(KEY_FILE)
    if environ.get(KEY) and not signs:
        return BearerKey(environ[KEY].strip())
    if file:
        return read_credentials(Path(file), signs)
    if signs:
        raise ConfigError(
            f"signing takes a file that athena keys create --json has printed; name it in {KEY_FILE}"
        )
    return None


def ca_file_of(given: str | Path | None, environ: Mapping[str, str] = os.environ) -> str | None:
    """Returns the file of the authorities that are trusted; None for the system's."""
    return str(given) if given else environ.get(CA_FILE) or None
