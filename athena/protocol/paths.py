"""The parts of URLs that name abilities."""

import re

SERVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
VERSION = re.compile(r"[A-Za-z0-9._-]{1,32}")

#: The version in a path that always means "the one that is served".
DEFAULT_VERSION = "v1"

#: What a side version may be called: queues are named after it, and there a dot parts ability and target.
SIDE_VERSION = re.compile(r"[A-Za-z0-9_-]{1,32}")

_SIDE = "@"

#: First path segments that the gateway needs for itself.
RESERVED_SERVICE_IDS = frozenset(
    {"v1", "v2", "docs", "metrics", "livez", "readyz", "monitor", "openapi.json", "flower", "static"}
)


def side_id(service_id: str, version: str) -> str:
    """Returns the service_id of a version that is served beside the main one, with queues of its own."""
    return f"{service_id}{_SIDE}{version}"


def main_of(service_id: str) -> str:
    """Returns the service_id of the main version: what callers say, under `parameter` as well."""
    return service_id.partition(_SIDE)[0]


def is_side(service_id: str) -> bool:
    """Whether it is a version that is served beside the main one."""
    return _SIDE in service_id


def run_path(service_id: str) -> str:
    """Returns where requests for an ability go; a side version has a path of its own."""
    main_id, _, version = service_id.partition(_SIDE)
    return f"/{version or DEFAULT_VERSION}/private/{main_id}"
