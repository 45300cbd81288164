"""What is there from one moment to the next while jobs come in."""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tests.cluster.site import Site

PAUSE_S = 0.25


@dataclass(frozen=True)
class Arrival:
    """A job: when it comes, and how long it takes."""

    at_s: float
    seconds: float


@dataclass(frozen=True)
class Moment:
    """How things stand.

    Attributes:
        at_s: seconds since the beginning.
        sent: jobs that were accepted until now.
        demand: what the scaler goes by: jobs that wait or run.
        replicas: pods that the Deployment is to have.
        serving: workers that serve.
    """

    at_s: float
    sent: int
    demand: float
    replicas: int
    serving: float


class Timeline:
    """Sends jobs when they are due, keeps the pods running, and notes each moment.

    Attributes:
        moments: all of them.
        jobs: ids of the jobs that were accepted.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._began_s = time.monotonic()
        self.moments: list[Moment] = []
        self.jobs: list[str] = []

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began_s

    def watch(
        self,
        what: str,
        is_over: Callable[[Moment], bool],
        timeout_s: float,
        arrivals: Iterable[Arrival] = (),
    ) -> Moment:
        """Returns the first moment that is the one waited for, once all jobs are sent.

        Args:
            arrivals: jobs to be sent, in their order; their times count from now.
        """
        begin_s = self.now_s
        due = list(arrivals)
        while True:
            while due and begin_s + due[0].at_s <= self.now_s:
                self.jobs.append(self._site.submit(due.pop(0).seconds))
            moment = self._look()
            if not due and is_over(moment):
                return moment
            assert moment.at_s < begin_s + timeout_s, f"not within {timeout_s:g} s: {what}; {moment}"
            time.sleep(PAUSE_S)

    def waits_s(self) -> list[float]:
        """Returns how long each job waited until it began; all have to have succeeded."""
        jobs = [self._site.job(job_id) for job_id in self.jobs]
        states = {job["state"] for job in jobs}
        assert states == {"succeeded"}, states
        return [(job["started_ms"] - job["queued_ms"]) / 1000 for job in jobs]

    def _look(self) -> Moment:
        self._site.pods.follow()
        figures = self._site.figures()
        moment = Moment(
            self.now_s,
            len(self.jobs),
            figures.get("athena_demand_jobs", 0.0),
            self._site.pods.replicas,
            figures.get("athena_workers_serving", 0.0),
        )
        self.moments.append(moment)
        return moment


def turns(counts: Sequence[float]) -> int:
    """Returns how often a row of counts turns from growing to shrinking, or back.

    >>> turns([0, 1, 4, 4, 2, 0])
    1
    """
    steps = [later - earlier for earlier, later in itertools.pairwise(counts) if later != earlier]
    return sum((one > 0) != (other > 0) for one, other in itertools.pairwise(steps))
