"""What each route needs of a key; docs/security.md shows the table."""

from enum import Enum

from flask import request

from api.access.access_rule import known_caller
from api.gateway.gate import visit_of
from api.http.asgi import SCOPE
from athena.access.scopes import Right, Role
from athena.errors import ScopeError


class Need(Enum):
    """What a route asks for."""

    NOTHING = "no key"
    KEY = "any key"
    RUN = "run"
    READ = "read"
    CANCEL = "cancel"
    SEE_ALL = "a viewer's or an operator's key"
    OPERATE = "an operator's key"


_RIGHTS = {Need.RUN: Right.RUN, Need.READ: Right.READ, Need.CANCEL: Right.CANCEL}

#: By the names of the routes; a path that leads nowhere needs a key, so that strangers do not learn which do.
NEEDS = {
    "probes.livez": Need.NOTHING,
    "probes.readyz": Need.NOTHING,
    "page.index": Need.NOTHING,
    "page.docs": Need.NOTHING,
    "page.static": Need.NOTHING,
    "run.root": Need.RUN,
    "run.path": Need.RUN,
    "bulk.submit": Need.RUN,
    "jobs.show": Need.READ,
    "jobs.index": Need.READ,
    "jobs.output": Need.READ,
    "jobs.cancel": Need.CANCEL,
    "jobs.retry": Need.RUN,
    "abilities.index": Need.KEY,
    "abilities.show": Need.KEY,
    "openapi.show": Need.KEY,
    "workers.index": Need.SEE_ALL,
    "metrics.show": Need.SEE_ALL,
}

#: Operators' routes that change nothing.
_LISTS = frozenset(("jobs", "job", "dead", "queues", "workers", "keys", "usage", "quotas", "audit", "shares"))


def need_of(endpoint: str | None) -> Need:
    """Returns what a route needs.

    Raises:
        KeyError: nobody has said.
    """
    if endpoint is None:
        return Need.KEY
    room, _, name = endpoint.partition(".")
    if room in ("admin", "admin_keys", "admin_shares"):
        return Need.SEE_ALL if name in _LISTS else Need.OPERATE
    return NEEDS[endpoint]


def check_permission() -> None:
    """Refuses a request whose caller may not have what it asks for; Flask calls it before each view.

    Raises:
        CredentialsError: it needs a key, and has none.
        ScopeError: its key does not open this.
    """
    need = need_of(request.endpoint)
    if need is Need.NOTHING:
        return
    scopes = known_caller(visit_of(request.environ[SCOPE])).scopes
    if need in _RIGHTS:
        scopes.check(_RIGHTS[need])
    elif (need is Need.SEE_ALL and not scopes.sees_all) or (
        need is Need.OPERATE and scopes.role is not Role.OPERATOR
    ):
        raise ScopeError(f"this needs {need.value}")
