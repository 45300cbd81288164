"""What abilities and their versions may be called."""

from pathlib import Path
from typing import Any

from athena.errors import ConfigError
from athena.protocol.paths import (
    DEFAULT_VERSION,
    RESERVED_SERVICE_IDS,
    SERVICE_ID,
    SIDE_VERSION,
    VERSION,
    side_id,
)


def check_service_id(file: Path, value: Any) -> str:
    """Returns an ability's name.

    Raises:
        ConfigError: no URL or queue can carry it; the message names the file.
    """
    if not isinstance(value, str) or not SERVICE_ID.fullmatch(value):
        raise ConfigError(f"{file}: service_id {value!r} must be 1 to 64 letters, digits, '-' or '_'")
    if value.lower() in RESERVED_SERVICE_IDS:
        raise ConfigError(f"{file}: service_id {value!r} is reserved; choose another")
    return value


def check_side(file: Path, service_id: str, version: str) -> str:
    """Returns the service_id of a side version.

    Raises:
        ConfigError: it cannot be served beside the main one.
    """
    if version == DEFAULT_VERSION:
        raise ConfigError(
            f"{file}: a version beside the main one cannot be {DEFAULT_VERSION!r}, which in a URL means "
            f"the main one; give it another version, or remove 'beside'"
        )
    if not SIDE_VERSION.fullmatch(version):
        raise ConfigError(
            f"{file}: version {version!r} must be 1 to 32 letters, digits, '-' or '_' beside the main one, "
            "because queues are named after it"
        )
    return side_id(service_id, version)


def check_version(file: Path, value: Any) -> str:
    """Returns an ability's version.

    Raises:
        ConfigError: it is no short text.
    """
    if not isinstance(value, str) or not VERSION.fullmatch(value):
        raise ConfigError(f'{file}: version {value!r} must be a short text such as "v1"')
    return value
