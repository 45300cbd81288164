"""The one place where a request can be refused or counted, whatever it asks for and whichever way it comes.

Who may ask, how often, and how it went is for rules to say; without rules the gate is open.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from api.access.key_book import Caller
from api.access.proxies import Proxies
from api.http.heads import Headers
from api.http.problems import unexpected
from athena.errors import AthenaError
from athena.store.submission import Submission

logger = logging.getLogger(__name__)

#: Where the ASGI scope holds the visit of a request.
VISIT = "athena.visit"

#: What is noted of a caller who went away before he was answered.
GONE = 499


#: So many jobs of one request are named in what is noted of it.
MAX_JOBS = 100


class VisitTrace(Protocol):
    """What is known of a request that is traced."""

    @property
    def trace_id(self) -> str:
        """Its trace."""

    def carried(self) -> str:
        """Returns what the message of a job carries that is sent now."""


class Rule:
    """What looks at requests as they come and go; this one lets all pass."""

    def enter(self, visit: "Visit") -> None:
        """Called when a request's head is whole, before anything of its body is read or counted.

        Raises:
            AthenaError: the request is refused.
        """

    def open(self, visit: "Visit", service_id: str) -> None:
        """Called for each job that a request wants to run, before its body is judged or an input fetched.

        Raises:
            AthenaError: the job is refused; in a request for many jobs, it alone.
        """

    def submit(self, visit: "Visit", job: Submission, checked: Mapping[str, Any]) -> None:
        """Called with each valid job and the envelope that it was made of, before it goes to Redis.

        Raises:
            AthenaError: the job is refused.
        """

    def close(self, visit: "Visit", service_id: str, status: int, seconds: float) -> None:
        """Called once for each `open`, also where a rule has refused it; it must not raise.

        Args:
            visit: the request.
            service_id: the ability.
            status: how the job is answered; 499 for a caller who went away before.
            seconds: since the request came.
        """

    def leave(self, visit: "Visit", status: int, seconds: float) -> None:
        """Called once for each `enter`, also where a rule has refused it; it must not raise.

        Where the caller goes away, a job that is open is closed after it.

        Args:
            visit: the request.
            status: of the HTTP answer; 499 for a caller who went away before there was one.
            seconds: since the request came.
        """


class Visit:
    """One HTTP request, from its head to its answer.

    Attributes:
        method: as `POST`.
        target: what the request line names, with its query, as it was sent; a rule may take away what is
            not for the application.
        headers: with names in small letters.
        client: the address that it came from; "" for a Unix socket.
        caller: who has sent it; None where no rule wants to know, or it needs nobody.
        digest: the SHA-256 that its body must have, 32 bytes; None for any.
        scheme: by which it came, `http` or `https`; "" where no rule wants to know.
        refusal: why it is not served.
        problem: why no job came of it, or its caller did not hear of the job's end.
        fields: headers that its answer has beside its own, whatever it is.
        is_scrape: whether it came to the listener for metrics.
        jobs: ability and id of the jobs that it has made; of very many, the first.
        trace: which trace it is of; None where it is not traced.
    """

    __slots__ = (
        "_began_s",
        "_counting",
        "_has_left",
        "_now",
        "_rules",
        "caller",
        "client",
        "digest",
        "fields",
        "headers",
        "is_scrape",
        "jobs",
        "method",
        "problem",
        "refusal",
        "scheme",
        "target",
        "trace",
    )

    def __init__(
        self,
        rules: list[Rule],
        counting: list[Rule],
        now: Callable[[], float],
        head: tuple[bytes, bytes, Headers],
        client: str,
    ) -> None:
        method, self.target, self.headers = head
        self.method = method.decode("latin-1")
        self.client = client
        self.caller: Caller | None = None
        self.digest: bytes | None = None
        self.scheme = ""
        self.refusal: AthenaError | None = None
        self.problem: AthenaError | None = None
        self.fields: Headers = []
        self.is_scrape = False
        self.jobs: list[tuple[str, str]] = []
        self.trace: VisitTrace | None = None
        self._rules, self._counting = rules, counting
        self._now, self._began_s = now, now()
        self._has_left = False

    def open(self, service_id: str) -> None:
        """Lets a job of an ability be made; who calls this calls `close` as well.

        Raises:
            AthenaError: a rule refuses it.
        """
        for rule in self._rules:
            rule.open(self, service_id)

    def submit(self, job: Submission, checked: Mapping[str, Any]) -> None:
        """Lets a job into its queue.

        Raises:
            AthenaError: a rule refuses it.
        """
        for rule in self._rules:
            rule.submit(self, job, checked)
        if len(self.jobs) < MAX_JOBS:
            self.jobs.append((job.service_id, job.job_id))

    def close(self, service_id: str, status: int) -> None:
        """Tells the rules how a job was answered."""
        if not self._counting:
            return
        seconds = self._now() - self._began_s
        for rule in self._counting:
            try:
                rule.close(self, service_id, status, seconds)
            except Exception:
                # The answer stands, and the other rules count.
                logger.exception("a job cannot be counted")

    def leave(self, status: int) -> None:
        """Tells the rules how the request was answered; only the first time counts."""
        if self._has_left or not self._counting:
            return
        self._has_left = True
        seconds = self._now() - self._began_s
        for rule in self._counting:
            try:
                rule.leave(self, status, seconds)
            except Exception:
                logger.exception("a request cannot be counted")


class Gate:
    """All requests pass here.

    Args:
        now: tells the time in seconds.
        proxies: whose word counts about where a request came from.
        sharing: returns the headers by which the page that has sent a request may read its answer.
    """

    def __init__(
        self,
        now: Callable[[], float],
        proxies: Proxies | None = None,
        sharing: Callable[[Headers], Iterable[tuple[bytes, bytes]]] | None = None,
    ) -> None:
        self._proxies = proxies or Proxies(())
        self._sharing = sharing
        self._now = now
        self._rules: list[Rule] = []
        # Those that want to know how it went.
        self._counting: list[Rule] = []
        #: Port of the listener for metrics; 0 where there is none.
        self.metrics_port = 0
        #: Whether a rule wants to know by which scheme a request came.
        self.tells_scheme = False

    def add(self, rule: Rule) -> None:
        """Has a rule asked behind all others, from the next request on."""
        self._rules = [*self._rules, rule]
        self._counting = [rule for rule in self._rules if _counts(type(rule))]

    def enter(
        self, method: bytes, target: bytes, headers: Headers, transport: asyncio.BaseTransport, peer: str
    ) -> Visit | None:
        """Lets a request in, or refuses it (`Visit.refusal`).

        Args:
            method: as `POST`.
            target: path and query as they were sent.
            headers: with names in small letters.
            transport: over which it came.
            peer: the address at its other end.

        Returns:
            What is noted of it, and has to leave; None where no rule wants to know.
        """
        if not self._rules:
            return None
        client = self._proxies.caller(peer, headers)
        visit = Visit(self._rules, self._counting, self._now, (method, target, headers), client)
        if self.metrics_port:
            visit.is_scrape = _port_of(transport) == self.metrics_port
        if self.tells_scheme:
            own = "http" if transport.get_extra_info("sslcontext") is None else "https"
            visit.scheme = self._proxies.scheme(peer, headers, own)
        try:
            for rule in self._rules:
                rule.enter(visit)
        except Exception as error:
            # A rule that fails lets nobody in.
            visit.refusal = error if isinstance(error, AthenaError) else unexpected(error)
            # The frames that raised it know the visit, which may end without an answer.
            visit.refusal.forget_origin()
            if self._sharing is not None:
                # The guard of origins hears of no request that is refused here.
                visit.fields = [*visit.fields, *self._sharing(headers)]
        return visit


def _counts(rule: type[Rule]) -> bool:
    return rule.close is not Rule.close or rule.leave is not Rule.leave


def _port_of(transport: asyncio.BaseTransport) -> int:
    """Returns to which port a connection came; 0 for a Unix socket."""
    name = transport.get_extra_info("sockname")
    return int(name[1]) if isinstance(name, tuple) else 0


def visit_of(scope: Mapping[str, Any]) -> Visit | None:
    """Returns the visit of a request that the application answers; None where no rule wants to know."""
    visit = scope.get(VISIT)
    assert visit is None or isinstance(visit, Visit)
    return visit


def caller_of(scope: Mapping[str, Any]) -> Caller | None:
    """Returns who has sent a request; None where none needs a key, or this one needs none."""
    visit = visit_of(scope)
    return visit.caller if visit is not None else None
