"""Lets nobody in without a key, and nobody further than the key leads."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.access.authenticator import Authenticator, make_authenticator
from api.access.key_book import Caller, KeyBook
from api.access.key_watch import FileKeys, KeySource, KeyWatch, RedisKeys
from api.access.refusals import RefusalLog
from api.gateway.gate import Rule, Visit
from api.redis.link import RedisLink
from athena.access.apps import Key
from athena.access.scopes import Role, Scopes
from athena.access.sealing import opener_of
from athena.errors import (
    AppIdError,
    CredentialsError,
    ForbiddenError,
    NotFoundError,
    ScopeError,
    StoreError,
)
from athena.jobs.queues import QueueName, is_gpu_id
from athena.protocol.enums import EXCLUSIVE, NORMAL
from athena.settings import Settings
from athena.store.submission import Submission

#: Whoever watches over a gateway has no key; what they get without one is yes or no.
_PROBES = frozenset((b"/livez", b"/readyz"))

#: The page asks for a key itself; what it is made of holds nothing of a caller.
_PAGES, _PAGE_FILES = frozenset((b"/", b"/docs")), b"/static/"
_PLAIN = "http"
_ASKING = frozenset(("GET", "HEAD"))

#: Whoever asks for metrics where these need no key.
_SCRAPER = Caller("", Scopes(Role.VIEWER), Key("", ""), None)

#: What a browser asks before its page's request, without that page's headers (CORS, Fetch standard).
_PREFLIGHT = b"access-control-request-method"


class AccessRule(Rule):
    """Asked for each request, on whichever way it comes.

    Args:
        authenticator: knows the callers.
        refusals: where it is told who was refused.
    """

    def __init__(self, authenticator: Authenticator, refusals: RefusalLog) -> None:
        self._authenticator = authenticator
        self._refusals = refusals

    def enter(self, visit: Visit) -> None:
        """Finds out who calls."""
        if visit.is_scrape:
            # `ScrapeRule` has let it in.
            visit.caller = _SCRAPER
            return
        if visit.scheme == _PLAIN and not _needs_no_key(visit):
            raise ForbiddenError(
                "keys are taken over TLS alone; one that was sent here could be read on its way: replace it"
            )
        try:
            proven = self._authenticator.identify(visit.method, visit.target, visit.headers)
        except (CredentialsError, StoreError) as error:
            if _needs_no_key(visit):
                return
            self._note(visit, error)
            raise
        visit.caller = proven.caller
        visit.digest = proven.digest
        if proven.target is not None:
            visit.target = proven.target.encode("latin-1")

    def _note(self, visit: Visit, error: CredentialsError | StoreError) -> None:
        # The query may hold a signature.
        path = visit.target.partition(b"?")[0].decode("latin-1")
        self._refusals.note(visit.client, f"{visit.method} {path}", error.message)

    def open(self, visit: Visit, service_id: str) -> None:
        """Refuses an ability that is not the caller's."""
        known_caller(visit).scopes.check_ability(service_id)

    def submit(self, visit: Visit, job: Submission, checked: Mapping[str, Any]) -> None:
        """Refuses a job in another application's name, or with more than its own may ask for."""
        caller = known_caller(visit)
        if not caller.may_name(job.app_id):
            raise AppIdError("app_id and api_key does not match")
        scopes = caller.scopes
        if scopes.role is Role.OPERATOR:
            return
        scopes.check_lane(checked["header"].get("priority") or NORMAL)
        if not scopes.gpu_id and is_gpu_id(QueueName.parse(job.queue).target):
            raise ScopeError("this key may not name a GPU (gpu_id)")
        if not scopes.exclusive and _is_exclusive(checked):
            raise ScopeError("this key may not ask to be run alone (application_mode)")


class ScrapeRule(Rule):
    """Lets nobody ask for anything but metrics where these need no key."""

    def enter(self, visit: Visit) -> None:
        """Refuses all else."""
        is_metrics = visit.target.partition(b"?")[0] == b"/metrics" and visit.method in _ASKING
        if visit.is_scrape and not is_metrics:
            raise NotFoundError("there is nothing here but GET /metrics (ATHENA_METRICS_PORT)")


class Access:
    """A gateway's keys: known, kept up to date, and asked for."""

    def __init__(self, settings: Settings, link: RedisLink) -> None:
        self.book = KeyBook(settings.admin_token)
        authenticator = make_authenticator(settings, self.book, time.time)
        self.rule = AccessRule(authenticator, RefusalLog(time.monotonic))
        self._watch = KeyWatch(self.book, _source(settings, link), authenticator.forget)

    async def start(self, timeout_s: float) -> None:
        """Looks which keys there are, and begins to watch them."""
        await self._watch.start(timeout_s)

    async def close(self) -> None:
        """Stops watching."""
        await self._watch.close()


def known_caller(visit: Visit | None) -> Caller:
    """Returns who has sent a request.

    Raises:
        CredentialsError: nobody knows; a request that needs no key asks for something else.
    """
    if visit is None or visit.caller is None:
        raise CredentialsError("send a key: Authorization: Bearer <key>, or a signature")
    return visit.caller


def _needs_no_key(visit: Visit) -> bool:
    if visit.method == "OPTIONS":
        # What it asks for is answered by the guard of origins, or needs a key.
        return any(name == _PREFLIGHT for name, _ in visit.headers)
    if visit.method not in _ASKING:
        return False
    path = visit.target.partition(b"?")[0]
    return path in _PROBES or path in _PAGES or path.startswith(_PAGE_FILES)


def _is_exclusive(checked: Mapping[str, Any]) -> bool:
    return any(
        isinstance(params, Mapping) and params.get("application_mode") == EXCLUSIVE
        for params in (checked.get("parameter") or {}).values()
    )


def _source(settings: Settings, link: RedisLink) -> KeySource:
    if settings.keys_file:
        return FileKeys(Path(settings.keys_file))
    return RedisKeys(link, opener_of(settings.seal_key))
