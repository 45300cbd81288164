"""The one place where a request to run a job can be refused or counted, whichever way it came.

Who may ask, how often, and how it went is for rules to say; without rules the gate is open.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from api.http.heads import Headers
from athena.errors import AthenaError
from athena.store.submission import Submission

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Visit:
    """One request for one job, from the moment that its ability is known to its answer.

    Attributes:
        headers: of the HTTP request that it came in, with names in small letters.
        began_s: when it came, by the gate's clock.
    """

    service_id: str
    headers: Headers
    began_s: float


class Rule:
    """What looks at requests as they come and go; this one lets all pass."""

    def enter(self, visit: Visit) -> None:
        """Called before the body is judged, and before anything that it names is fetched.

        Raises:
            AthenaError: the request is refused.
        """

    def submit(self, visit: Visit, job: Submission) -> None:
        """Called with the job of a valid request, before it goes to Redis.

        Raises:
            AthenaError: the job is refused.
        """

    def leave(self, visit: Visit, status: int, seconds: float) -> None:
        """Called once for each request, also for one that another rule has refused; it must not raise.

        Args:
            visit: the request.
            status: of the HTTP answer; 499 for a caller who went away before there was one.
            seconds: how long it was here.
        """


class Gate:
    """All requests to run a job pass here.

    Args:
        rules: asked in their order.
        now: tells the time in seconds.
    """

    def __init__(self, now: Callable[[], float], rules: Iterable[Rule] = ()) -> None:
        self._now = now
        self._rules = tuple(rules)

    def enter(self, service_id: str, headers: Headers) -> Visit | None:
        """Lets a request in; returns what is noted of it, None where no rule wants to know.

        Raises:
            AthenaError: a rule refuses it.
        """
        if not self._rules:
            return None
        visit = Visit(service_id, headers, self._now())
        try:
            for rule in self._rules:
                rule.enter(visit)
        except AthenaError as refusal:
            self.leave(visit, refusal.http_status)
            raise
        return visit

    def submit(self, visit: Visit, job: Submission) -> None:
        """Lets a request's job in.

        Raises:
            AthenaError: a rule refuses it.
        """
        for rule in self._rules:
            rule.submit(visit, job)

    def leave(self, visit: Visit, status: int) -> None:
        """Tells the rules how a request was answered."""
        for rule in self._rules:
            try:
                rule.leave(visit, status, self._now() - visit.began_s)
            except Exception:
                # The answer stands, and the other rules count.
                logger.exception("a request cannot be counted")
