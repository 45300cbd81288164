"""What an operator can have wrong, found by a look at Redis and at the disk: `athena doctor`.

`read` asks Redis, the rest is pure: it says what is wrong and what to do about it.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from athena.fleet.host_report import HostReport
from athena.fleet.registry import readable
from athena.fleet.view import Failure
from athena.fleet.worker_entry import WorkerEntry
from athena.operations.queues import AbilityLoad, list_hosts, list_queues
from athena.operations.steps import Steps
from athena.store.checks import MEMORY_SHARE, memory_share, read_info, settings_fault
from athena.store.keys import BEATS, FAILURES, WORKERS
from athena.store.scripts import pairs

#: Clocks of hosts and of Redis may differ by so much before it is worth a line.
MAX_SKEW_S = 5.0

#: Less free space than this, as a share and in bytes, may end soon.
MIN_FREE_SHARE, MIN_FREE_BYTES = 0.05, 2**30

#: Between the two readings of heartbeats; there is one each second.
HEARTBEATS_S = 3.0


@dataclass(frozen=True)
class Ailment:
    """Something that is wrong, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Reading:
    """What Redis says at one moment.

    Attributes:
        info: the answer of INFO.
        now_s: Redis' clock, seconds since 1970.
        workers: incarnation -> entry.
        beats: incarnation -> heartbeat counter.
        failures: service_id -> why its last worker did not start.
    """

    info: Mapping[str, str]
    now_s: float
    workers: Mapping[str, WorkerEntry]
    beats: Mapping[str, int]
    failures: Mapping[str, Failure]
    loads: tuple[AbilityLoad, ...]
    hosts: tuple[HostReport, ...]


@dataclass(frozen=True)
class Disk:
    """The file system of the data folder."""

    folder: str
    free_bytes: int
    total_bytes: int


def read() -> Steps[Reading]:
    """Reads what the check-up is about."""
    info = read_info((yield ("INFO",)))
    seconds, microseconds = yield ("TIME",)
    told = yield [("HGETALL", key) for key in (WORKERS, BEATS, FAILURES)]
    workers, beats, failures = map(pairs, told)
    loads = yield from list_queues(all_lanes=True)
    hosts = yield from list_hosts()
    return Reading(
        info,
        int(seconds) + int(microseconds) / 1e6,
        dict(readable(workers, WorkerEntry.decode)),
        dict(readable(beats, int)),
        dict(readable(failures, Failure.decode)),
        tuple(loads),
        tuple(hosts),
    )


def ailments(first: Reading, second: Reading, own_clock_s: float, disk: Disk | None) -> list[Ailment]:
    """Returns what is wrong.

    Args:
        first: a reading.
        second: another one, `HEARTBEATS_S` later.
        own_clock_s: this host's clock at the second one, seconds since 1970.
        disk: that of the data folder, if this host has one.
    """
    return [
        *_of_redis(second.info),
        *_of_clocks(second, own_clock_s),
        *_of_workers(first, second),
        *_of_abilities(second),
        *_of_queues(second),
        *(_of_disk(disk) if disk is not None else ()),
    ]


def _of_redis(info: Mapping[str, str]) -> Iterator[Ailment]:
    fault = settings_fault(info)
    if fault:
        what, _, remedy = fault.partition(": ")
        yield Ailment(what, remedy)
    if info.get("aof_enabled") == "0":
        yield Ailment(
            "Redis writes no append-only file, so its restart loses jobs",
            "CONFIG SET appendonly yes, and in its configuration",
        )
    for name in ("aof_last_write_status", "rdb_last_bgsave_status"):
        if info.get(name, "ok") != "ok":
            yield Ailment(f"Redis cannot write to its disk ({name})", "look into its log; free space")
    share = memory_share(info)
    if share > MEMORY_SHARE:
        yield Ailment(
            f"Redis uses {share:.0%} of its memory limit, and new jobs are refused",
            "raise maxmemory or ATHENA_REDIS_MEMORY_BYTES, or lower ATHENA_RESULT_TTL_S",
        )


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


def _of_queues(reading: Reading) -> Iterator[Ailment]:
    for queue in (queue for load in reading.loads for queue in load.queues):
        if queue.waits:
            yield Ailment(f"queue {queue.name} waits: {queue.waits}", "upgrade the workers")
        if queue.is_paused and queue.jobs:
            yield Ailment(
                f"queue {queue.name} is paused and holds {queue.jobs} jobs",
                f"athena queues resume {queue.name}",
            )


def _of_disk(disk: Disk) -> Iterator[Ailment]:
    if disk.free_bytes < MIN_FREE_BYTES or disk.free_bytes < MIN_FREE_SHARE * disk.total_bytes:
        free_mib = disk.free_bytes // 2**20
        yield Ailment(
            f"the file system of the data folder {disk.folder} has {free_mib} MiB left",
            "free space there, or choose another folder with --data",
        )
