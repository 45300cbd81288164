"""The ends of workers and gateways that nobody asked for, and the faults that explain them.

What the supervisors say is the source: a fault says beforehand which ends it may cause, where and how, and an
end that no fault explains fails the run.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

KILLED, FENCED, DIED = "killed by SIGKILL", "fenced", "exit status 3"
NOT_STARTED = "did not start"
CANCELED = "all jobs of a call were canceled, and it went on; its process was ended"
STOPPED = ("exit status 0", "killed by SIGTERM")

#: The hosts with workers.
NEAR, FAR, BOTH = ("near",), ("far",), ("near", "far")

#: More often than so no start is tried within a fault: at once, after 1 s, 2 s and so on.
STARTS = 20

#: How long after a fault its last end may be told: who was frozen or cut off hears late that it is fenced.
TOLD_WITHIN_S = 20.0

#: A job whose end Redis has lost is run again within this time, and does again what it did.
AGAIN_WITHIN_S = 60.0

_POLL_S = 0.05
_END = re.compile(r"^(?:\S+ \S+ )?athena: ((worker|gateway)\b.*?) ended \((.+?)\)")
_PLANNED = re.compile(r"^(?:\S+ \S+ )?athena: ((?:worker|gateway)\b.*?) ended: ")
_FENCED = re.compile(r" ERROR .*?: (worker \S+) was fenced ")
_OVERDUE = re.compile(
    r" ERROR .*?: (worker \S+): (.*its process was ended|it did not become ready within .*)"
)
_REFUSED = re.compile(r" ERROR .*? athena\.supervisor\.\w+: ability (\S+): ")
_FENCED_STATUS = "exit status 70"

#: Of a supervisor that says why it cannot start: Redis refuses, or no worker became ready.
_REFUSED_STATUS = "exit status 78"


@dataclass(frozen=True)
class End:
    """A process that ended, as its supervisor tells it.

    Attributes:
        host: whose supervisor.
        child: worker or gateway, or the supervisor itself.
        how: its exit status or signal; `FENCED` if it was shut out, `NOT_STARTED` if it had served nobody
            yet, why it was killed if a watchdog did it.
        at_s: when that was read, on the monotonic clock.
    """

    host: str
    child: str
    how: str
    at_s: float


@dataclass
class Expected:
    """Ends that a fault may cause.

    Attributes:
        hows: the ways in which the processes may end.
        left: how many may.
        until_s: when the last of them must have been told.
        by_job: whether a job does it, wherever it runs.
    """

    fault: str
    hosts: tuple[str, ...]
    child: str
    hows: tuple[str, ...]
    left: int
    from_s: float
    until_s: float = float("inf")
    by_job: bool = False

    def explains(self, end: End) -> bool:
        """Whether an end is one of these."""
        return (
            self.left > 0
            and end.host in self.hosts
            and end.child == self.child
            and end.how in self.hows
            and self.from_s <= end.at_s <= self.until_s
        )


class SupervisorLog:
    """What one supervisor says, line by line."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._whys: dict[str, str] = {}

    def read(self, line: str, now_s: float) -> Iterator[End]:
        """Returns the end that a line tells of, if it does."""
        if found := _FENCED.search(line):
            self._whys[found[1]] = FENCED
        elif found := _OVERDUE.search(line):
            self._whys[found[1]] = found[2]
        elif found := _REFUSED.search(line):
            self._whys[f"worker {found[1]}"] = NOT_STARTED
        elif found := _PLANNED.match(line):
            self._whys.pop(found[1], None)
        elif found := _END.match(line):
            name, child, how = found.groups()
            if how == _FENCED_STATUS:
                how = FENCED
            yield End(self._host, child, self._whys.pop(name, how), now_s)


def attribute(ends: Iterable[End], expected: Iterable[Expected]) -> tuple[dict[str, Counter[str]], list[End]]:
    """Returns how many workers and gateways each fault has ended, and the ends that none explains."""
    caused: dict[str, Counter[str]] = {}
    unexplained: list[End] = []
    latest_first = sorted(expected, key=lambda one: -one.from_s)
    for end in ends:
        reason = next((one for one in latest_first if one.explains(end)), None)
        if reason is None:
            unexplained.append(end)
        else:
            reason.left -= 1
            kind = "start" if end.how == NOT_STARTED else end.child
            caused.setdefault(reason.fault, Counter())[kind] += 1
    return caused, unexplained


@dataclass
class Deaths:
    """Follows the logs of supervisors on a thread of its own, and notes what the faults may cause."""

    logs: Mapping[str, Path]
    ends: list[End] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    unseen: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._readers = {host: SupervisorLog(host) for host in self.logs}
        self._offsets = {host: path.stat().st_size for host, path in self.logs.items()}
        self._stopped = threading.Event()
        # Each fault is made on a thread of its own, and several may go on at once.
        self._here = threading.local()
        self._thread = threading.Thread(target=self._follow)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def stop(self) -> None:
        """Reads what is there, and no more."""
        self._stopped.set()
        self._thread.join()
        self._read()

    @contextmanager
    def during(self, fault: str) -> Iterator[None]:
        """Names the fault for the ends that are expected within the block."""
        self._here.fault, self._here.expected = fault, []
        try:
            yield
        finally:
            for one in self._here.expected:
                one.until_s = time.monotonic() + TOLD_WITHIN_S

    def expect(
        self, hosts: Iterable[str], child: str, *hows: str, count: int = 1, by_job: bool = False
    ) -> None:
        """Says that the fault that is being made may end so many processes."""
        one = Expected(self._here.fault, tuple(hosts), child, hows, count, time.monotonic(), by_job=by_job)
        self._here.expected.append(one)
        self.expected.append(one)

    def expect_failing_starts(self, hosts: Iterable[str]) -> None:
        """Says that workers and supervisors that are just being started cannot register; they start again."""
        for child in ("worker", "supervisor"):
            self.expect(hosts, child, NOT_STARTED, count=STARTS)

    def revive(self, from_s: float) -> None:
        """Redis has lost what came after a time: jobs that had ended then are open again."""
        now_s = time.monotonic()
        # What was counted is lost, too: they may do as much as they have done.
        again = [one for one in self.expected if one.by_job and one.until_s >= from_s]
        self.expected += [replace(one, from_s=now_s, until_s=now_s + AGAIN_WITHIN_S) for one in again]

    def lose_supervisor(self, host: str, how: str) -> None:
        """A supervisor has ended by itself."""
        how = NOT_STARTED if how == _REFUSED_STATUS else how
        self.ends.append(End(host, "supervisor", how, time.monotonic()))

    def count(self, workers: int) -> None:
        """Says that the fault has ended workers whose supervisor cannot tell it any more."""
        self.unseen[self._here.fault] += workers

    def attribute(self) -> tuple[dict[str, Counter[str]], list[End]]:
        """Returns how many workers and gateways each fault has ended, and the ends that none explains."""
        caused, unexplained = attribute(self.ends, self.expected)
        for fault, workers in self.unseen.items():
            caused.setdefault(fault, Counter())["worker"] += workers
        return caused, unexplained

    def _follow(self) -> None:
        while not self._stopped.wait(_POLL_S):
            self._read()

    def _read(self) -> None:
        for host, path in self.logs.items():
            with path.open("rb") as log:
                log.seek(self._offsets[host])
                # A line that is still being written is read the next time.
                whole = log.read().rpartition(b"\n")[0]
            self._offsets[host] += len(whole) + 1 if whole else 0
            for line in whole.decode(errors="replace").splitlines():
                self.ends += self._readers[host].read(line, time.monotonic())
