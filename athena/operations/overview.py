"""What an operator sees of the whole at one moment: `athena top`."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from athena.fleet.gateway_report import GatewayReport
from athena.fleet.host_report import HostReport, WorkerStatus
from athena.fleet.traffic_split import TrafficSplit
from athena.jobs.record import JobRecord
from athena.operations.listing import JobFilter, list_jobs
from athena.operations.queues import WorkerState, list_abilities, list_hosts, list_workers
from athena.operations.steps import Steps
from athena.operations.surveys import count_dead_letters, list_gateways, survey_abilities
from athena.operations.traffic import list_splits
from athena.protocol.enums import JobState
from athena.store.books.counts import Survey
from athena.store.checks import read_info

#: Ends that somebody should look at.
TROUBLES = (JobState.FAILED, JobState.TIMED_OUT, JobState.POISONED)


@dataclass(frozen=True)
class Overview:
    """What there is at one moment.

    Attributes:
        at_s: when, by Redis' clock, seconds since 1970.
        info: the answer of INFO.
        gateways: what they tell of themselves, and whether each lives.
        surveys: abilities that were ever served here, by name.
        workers: those that are registered, by name.
        drained: names of workers that an operator has drained.
        splits: service_id -> how its requests are divided between its versions.
    """

    at_s: float
    info: Mapping[str, str]
    gateways: tuple[tuple[GatewayReport, bool], ...]
    dead_letters: int
    surveys: tuple[Survey, ...]
    workers: tuple[WorkerState, ...]
    drained: tuple[str, ...]
    hosts: tuple[HostReport, ...]
    splits: Mapping[str, TrafficSplit] = field(default_factory=dict)

    def told(self) -> dict[str, WorkerStatus]:
        """Returns what live supervisors tell of their workers, by name."""
        return {status.name: status for host in self.live_hosts for status in host.workers}

    @property
    def live_hosts(self) -> list[HostReport]:
        """What supervisors tell that are not silent, the last word last."""
        fresh = (host for host in self.hosts if not host.is_stale(self.at_s))
        return sorted(fresh, key=lambda host: host.told_ms)


def read_overview() -> Steps[Overview]:
    """Reads all of it; Redis does as much as for one look at `/metrics`."""
    seconds, microseconds = yield ("TIME",)
    info = read_info((yield ("INFO",)))
    gateways = yield from list_gateways()
    interfaces = yield from list_abilities()
    surveys = yield from survey_abilities([interface.service_id for interface in interfaces])
    workers, drained = yield from list_workers()
    hosts = yield from list_hosts()
    return Overview(
        at_s=int(seconds) + int(microseconds) / 1e6,
        info=info,
        gateways=tuple(gateways),
        dead_letters=(yield from count_dead_letters()),
        surveys=tuple(surveys),
        workers=tuple(workers),
        drained=tuple(drained),
        hosts=tuple(hosts),
        splits=(yield from list_splits()),
    )


def last_troubles(most: int) -> Steps[list[JobRecord]]:
    """Returns jobs that ended badly, the last one first; those whose records are kept."""
    found: list[JobRecord] = []
    for state in TROUBLES:
        page = yield from list_jobs(JobFilter(state=str(state)), most)
        found += page.jobs
    return sorted(found, key=lambda job: job.finished_ms, reverse=True)[:most]
