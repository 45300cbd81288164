"""What can be wrong with the fleet: workers, supervisors, abilities, queues, clocks.

`read` asks Redis, the rest is pure: it says what is wrong and what to do about it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from athena.fleet.gateway_report import GatewayReport
from athena.fleet.host_report import HostReport
from athena.fleet.registry import readable
from athena.fleet.traffic_split import TrafficSplit
from athena.fleet.view import Failure
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.checkup.ailment import Ailment
from athena.operations.checkup.server import CONFIG, redis_ailments
from athena.operations.queues import AbilityLoad, list_hosts, list_queues
from athena.operations.steps import Attempt, Steps
from athena.operations.surveys import list_gateways
from athena.operations.traffic import list_splits
from athena.protocol.paths import side_id
from athena.store.checks import MEMORY_SHARE, read_info
from athena.store.keys import BEATS, FAILURES, WORKERS
from athena.store.scripts import pairs

#: Clocks of hosts and of Redis may differ by so much before it is worth a line.
MAX_SKEW_S = 5.0

#: By how much a gateway's event loop may be late; callers wait as long, each of them.
MAX_LAG_S = 1.0

#: Between the two readings of heartbeats; there is one each second.
HEARTBEATS_S = 3.0


@dataclass(frozen=True)
class Reading:
    """What Redis says at one moment.

    Attributes:
        info: the answer of INFO.
        now_s: Redis' clock, seconds since 1970.
        workers: incarnation -> entry.
        beats: incarnation -> heartbeat counter.
        failures: service_id -> why its last worker did not start.
        gateways: what they tell of themselves, and whether each lives.
        config: what CONFIG GET says of persistence; empty where Redis does not tell.
        splits: service_id -> how its requests are divided between its versions.
    """

    info: Mapping[str, str]
    now_s: float
    workers: Mapping[str, WorkerEntry]
    beats: Mapping[str, int]
    failures: Mapping[str, Failure]
    loads: tuple[AbilityLoad, ...]
    hosts: tuple[HostReport, ...]
    gateways: tuple[tuple[GatewayReport, bool], ...] = ()
    config: Mapping[str, str] = field(default_factory=dict)
    splits: Mapping[str, TrafficSplit] = field(default_factory=dict)


def read() -> Steps[Reading]:
    """Reads what the check-up is about."""
    info = read_info((yield ("INFO",)))
    seconds, microseconds = yield ("TIME",)
    told = yield [("HGETALL", key) for key in (WORKERS, BEATS, FAILURES)]
    workers, beats, failures = map(pairs, told)
    loads = yield from list_queues(all_lanes=True)
    hosts = yield from list_hosts()
    gateways = yield from list_gateways()
    # Servers that others run often keep it to themselves.
    config = yield [Attempt(("CONFIG", "GET", name)) for name in CONFIG]
    return Reading(
        info,
        int(seconds) + int(microseconds) / 1e6,
        dict(readable(workers, WorkerEntry.decode)),
        dict(readable(beats, int)),
        dict(readable(failures, Failure.decode)),
        tuple(loads),
        tuple(hosts),
        tuple(gateways),
        dict(_told_of(config)),
        (yield from list_splits()),
    )


def _told_of(answers: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for answer in answers:
        if isinstance(answer, list) and len(answer) == 2:
            yield answer[0].decode(), answer[1].decode(errors="replace")


def ailments(first: Reading, second: Reading, own_clock_s: float, own_version: str = "") -> list[Ailment]:
    """Returns what is wrong.

    Args:
        first: a reading.
        second: another one, `HEARTBEATS_S` later.
        own_clock_s: this host's clock at the second one, seconds since 1970.
        own_version: of this Athena; "" leaves it out of the comparison.
    """
    return [
        *redis_ailments(second.info, second.config),
        *_of_clocks(second, own_clock_s),
        *_of_workers(first, second),
        *_of_gateways(second),
        *_of_abilities(second),
        *_of_shares(second),
        *_of_queues(second),
        *_of_versions(second, own_version),
    ]


def _of_clocks(reading: Reading, own_clock_s: float) -> Iterator[Ailment]:
    remedy = "let all hosts follow one time server"
    skew_s = own_clock_s - reading.now_s
    if abs(skew_s) > MAX_SKEW_S:
        yield Ailment(f"the clock of this host is {_ahead(skew_s)} of that of Redis", remedy)
    for report in reading.hosts:
        age_s = report.age_s(reading.now_s)
        if age_s < -MAX_SKEW_S:
            yield Ailment(f"the clock of host {report.host} is {_ahead(-age_s)} of that of Redis", remedy)
        elif report.is_stale(reading.now_s):
            yield Ailment(
                f"the supervisor of host {report.host} fell silent {age_s:.0f} s ago",
                "start it again; if it runs, its host's clock is behind: let it follow a time server",
            )


def _ahead(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"


def _of_workers(first: Reading, second: Reading) -> Iterator[Ailment]:
    versions: defaultdict[str, set[str]] = defaultdict(set)
    for incarnation, entry in second.workers.items():
        versions[entry.service_id].add(entry.version)
        stands_still = first.beats.get(incarnation, 0) == second.beats.get(incarnation, 0)
        if incarnation in first.workers and stands_still:
            yield Ailment(
                f"worker {entry.name} has no heartbeat",
                "look whether its supervisor (athena serve, athena workers) runs, and into its log",
            )
    for service_id, found in sorted(versions.items()):
        if len(found) > 1:
            yield Ailment(
                f"workers of {service_id} serve versions {', '.join(sorted(found))}",
                "restart those of the older one: athena workers restart NAME",
            )


def _of_gateways(reading: Reading) -> Iterator[Ailment]:
    for report, is_alive in reading.gateways:
        if not is_alive:
            yield Ailment(
                f"gateway {report.address} fell silent",
                "look whether it runs, and into its log; it is forgotten an hour after its last word",
            )
        elif report.lag_s > MAX_LAG_S:
            yield Ailment(
                f"the event loop of gateway {report.address} was late by {report.lag_s:.1f} s",
                "start another gateway, or look what else its machine does",
            )
        elif report.held_bytes > MEMORY_SHARE * report.held_limit_bytes:
            yield Ailment(
                f"gateway {report.address} holds {report.held_bytes // 2**20} MiB of requests, near its most",
                "look whether Redis is slow; raise ATHENA_MAX_HELD_BYTES, or start another gateway",
            )


def _of_abilities(reading: Reading) -> Iterator[Ailment]:
    served = {entry.service_id for entry in reading.workers.values()}
    known = {load.service_id: load.open_jobs for load in reading.loads}
    for service_id, failure in sorted(reading.failures.items()):
        if service_id in served:
            what, remedy = f"a worker of {service_id} was not started or restarted", "then restart it"
        else:
            what, remedy = f"no worker of {service_id} starts", "it is tried again by itself"
        yield Ailment(f"{what}: {failure.detail}", f"mend that; {remedy}")
    for service_id in sorted(known.keys() - served - reading.failures.keys()):
        yield Ailment(
            f"no worker serves {service_id}, which has {known[service_id]} open jobs",
            f"start one, or forget the ability: athena abilities rm {service_id}",
        )


def _of_shares(reading: Reading) -> Iterator[Ailment]:
    served = {entry.service_id for entry in reading.workers.values()}
    for service_id, split in sorted(reading.splits.items()):
        for version in split.versions:
            name = side_id(service_id, version)
            if name not in served:
                yield Ailment(
                    f"no worker serves {name}, which has a share of the requests; they go to {service_id}",
                    f"start one, or take its share back: athena abilities rollback {service_id}",
                )


def _of_queues(reading: Reading) -> Iterator[Ailment]:
    for queue in (queue for load in reading.loads for queue in load.queues):
        if queue.waits:
            yield Ailment(f"queue {queue.name} waits: {queue.waits}", "upgrade the workers")
        if queue.is_paused and queue.jobs:
            yield Ailment(
                f"queue {queue.name} is paused and holds {queue.jobs} jobs",
                f"athena queues resume {queue.name}",
            )


def _of_versions(reading: Reading, own_version: str) -> Iterator[Ailment]:
    """Supervisors that do not tell their version are older than those that do."""
    hosts: defaultdict[str, set[str]] = defaultdict(set)
    for report in reading.hosts:
        if not report.is_stale(reading.now_s):
            hosts[report.version or "an older version"].add(report.host)
    for gateway, is_alive in reading.gateways:
        if is_alive:
            hosts[gateway.version].add(f"gateway {gateway.address}")
    if own_version and hosts:
        hosts[own_version].add("this command")
    if len(hosts) > 1:
        shown = "; ".join(
            f"{version}: {', '.join(sorted(names))}" for version, names in sorted(hosts.items())
        )
        yield Ailment(
            f"several versions of Athena work together ({shown})",
            "update the older ones, workers before gateways",
        )
