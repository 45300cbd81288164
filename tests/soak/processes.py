"""What the processes of one `athena serve` take, at one time and another."""

import contextlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import psutil

MB = 1e6

#: Words in the command line of a process, and what it is then; the first that fits holds.
_ROLES = (
    ("flower", "flower"),
    ("workers", "worker"),
    ("api", "gateway"),
    ("valkey", "redis"),
    ("redis", "redis"),
)

#: A process has grown if it takes so much more than before, and so many more descriptors or threads.
GROWN_MB, GROWN_PART, GROWN_FILES = 16.0, 0.1, 20


@dataclass(frozen=True)
class Sample:
    """One process at one time.

    Attributes:
        role: what it is.
        rss_mb: its memory, what it shares with others included.
        pss_mb: the same, with its part of what is shared.
        files: open descriptors.
        cpu_s: processor time since its start.
    """

    pid: int
    role: str
    rss_mb: float
    pss_mb: float
    files: int
    threads: int
    cpu_s: float

    def has_grown(self, before: "Sample") -> bool:
        """Whether it takes clearly more than before."""
        more_mb = self.pss_mb - before.pss_mb
        return (
            more_mb > max(GROWN_MB, GROWN_PART * before.pss_mb)
            or self.files - before.files > GROWN_FILES
            or self.threads - before.threads > GROWN_FILES
        )


@dataclass(frozen=True)
class Reading:
    """All processes at one time, on the monotonic clock."""

    at_s: float
    samples: Mapping[int, Sample]


def read_processes(supervisor_pid: int, now_s: float) -> Reading:
    """Looks at a supervisor and all below it; one that ends meanwhile is left out."""
    supervisor = psutil.Process(supervisor_pid)
    samples = {}
    for process in (supervisor, *supervisor.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            samples[process.pid] = _sample(process, supervisor_pid)
    return Reading(now_s, samples)


def _sample(process: psutil.Process, supervisor_pid: int) -> Sample:
    with process.oneshot():
        memory, cpu = process.memory_full_info(), process.cpu_times()
        return Sample(
            pid=process.pid,
            role="supervisor" if process.pid == supervisor_pid else _role(process),
            rss_mb=memory.rss / MB,
            pss_mb=memory.pss / MB,
            files=process.num_fds(),
            threads=process.num_threads(),
            cpu_s=cpu.user + cpu.system,
        )


def _role(process: psutil.Process) -> str:
    command = process.cmdline()
    for word, role in _ROLES:
        if any(word in part for part in command):
            return f"{role} {_ability(process)}".strip() if role == "worker" else role
    return " ".join(command)[-30:]


def _ability(process: psutil.Process) -> str:
    launch = process.environ().get("ATHENA_WORKER_LAUNCH")
    return str(json.loads(launch)["name"]).partition(".")[0] if launch else ""


def table(readings: Iterable[Reading]) -> list[str]:
    """Returns a line for each process, with each figure as at the beginning / in the middle / at the end."""
    readings = list(readings)
    heads = ("process", "pid", "RSS MB", "PSS MB", "descriptors", "threads", "CPU %")
    rows: list[tuple[str, ...]] = [heads]
    pids = dict.fromkeys(pid for reading in readings for pid in reading.samples)
    for pid in pids:
        found = [reading.samples.get(pid) for reading in readings]
        role = next(sample.role for sample in found if sample)
        figures = (
            [f"{sample.rss_mb:.0f}" if sample else "-" for sample in found],
            [f"{sample.pss_mb:.0f}" if sample else "-" for sample in found],
            [f"{sample.files}" if sample else "-" for sample in found],
            [f"{sample.threads}" if sample else "-" for sample in found],
            _cpu_percent(readings, pid),
        )
        rows.append((role, str(pid), *map(" / ".join, figures)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _cpu_percent(readings: list[Reading], pid: int) -> list[str]:
    """Returns how much of a core a process took from one reading to the next."""
    shares = []
    for before, after in itertools.pairwise(readings):
        first, last = before.samples.get(pid), after.samples.get(pid)
        if first is None or last is None:
            shares.append("-")
        else:
            shares.append(f"{100 * (last.cpu_s - first.cpu_s) / (after.at_s - before.at_s):.1f}")
    return shares
