"""The parts of URLs that name abilities."""

import re

SERVICE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
VERSION = re.compile(r"[A-Za-z0-9._-]{1,32}")

#: First path segments that the gateway needs for itself.
RESERVED_SERVICE_IDS = frozenset(
    {"v1", "v2", "docs", "metrics", "livez", "readyz", "monitor", "openapi.json", "flower", "static"}
)
