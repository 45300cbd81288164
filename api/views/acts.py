"""What operators do over HTTP, as it is noted."""

from collections.abc import Mapping
from typing import Any

from api.access.key_book import ADMIN_TOKEN
from api.gateway.gate import caller_of
from api.http.asgi import SCOPE
from athena.operations.trail import Act


def act_of(environ: Mapping[str, Any], action: str, target: str) -> Act:
    """Returns what is noted of a request: whose key it carries, or that it carries the admin token."""
    caller = caller_of(environ[SCOPE])
    who = f"{caller.app_id} {caller.key.api_key}".strip() if caller is not None else ADMIN_TOKEN
    return Act(who, environ["REMOTE_ADDR"], action, target)
