"""A history in which all is well, and how to spoil it."""

from collections.abc import Callable
from typing import Any

from tests.chaos.rules import complaints
from tests.chaos.story import Reader

Line = dict[str, Any]
Lines = list[Line]

NEAR, FAR = "http://near", "http://far"
SETTINGS: Line = {
    "seed": 1,
    "record_ttl_s": 600.0,
    "within_s": 120.0,
    "patience_s": 80.0,
    "calm_s": 20.0,
    "heeded_s": 3.0,
    "max_attempts": 3,
    "grace_s": 5.0,
    "gateways": [NEAR, FAR],
    "services": ["ledger"],
}


class Forge:
    """Writes lines as a run does, at times that a test chooses."""

    def __init__(self) -> None:
        self.lines: Lines = []
        self._calls = 0

    def note(self, at_s: float, what: str, **fields: Any) -> None:
        """Adds a line."""
        self.lines.append({"at": at_s, "is": what, **fields})

    def want(self, at_s: float, job: str, *may: str, **fields: Any) -> None:
        """A caller wants a job whose input has the digest `d<job>`."""
        self.note(at_s, "want", job=job, may=may or ("succeeded",), **{"digest": f"d{job}", **fields})

    def ask(self, sent_s: float, heard_s: float, job: str, do: str = "poll", **answer: Any) -> None:
        """A caller asks, and is answered."""
        self._calls += 1
        self.note(sent_s, "call", call=self._calls, job=job, do=do, to=NEAR)
        self.note(heard_s, "answer", call=self._calls, **{"status": 200, "id": f"i{job}", **answer})

    def run(self, began_s: float, ended_s: float | None, job: str, run: str, pid: int = 10) -> None:
        """The ability ran a job."""
        self.note(90, "run", job=job, run=run, pid=pid, began_s=began_s, ended_s=ended_s)

    def final(self, job: str, state: str = "succeeded", **fields: Any) -> None:
        """How a job's record stood in the end."""
        self.note(91, "final", **{"job": job, "id": f"i{job}", "state": state, "took_s": 1.0, **fields})


def well() -> Lines:
    """Returns a history of a run that kept every promise, with a killed worker and a frozen host in it.

    `sync` was waited for, `twice` ran again after its worker was killed, `zombie` after its host was frozen,
    `gone` was canceled, `poison` killed three workers, `broken` failed and was tried again as `again`,
    `private` has no name.
    """
    forge = Forge()
    forge.note(0, "settings", **SETTINGS)
    for job, may in {
        "sync": "succeeded",
        "twice": "succeeded",
        "zombie": "succeeded",
        "gone": "canceled",
        "poison": "poisoned",
        "broken": "failed",
    }.items():
        forge.want(1, job, may)
    forge.want(1, "again", "failed", retries="broken", digest="dbroken")
    forge.want(1, "private", is_named=False)
    forge.ask(2, 3, "sync", "run", state="succeeded", result="r1.dsync")
    forge.ask(2, 3, "private", "run", state="succeeded", result="r2.dprivate")
    forge.ask(4, 5, "gone", "run", status=202, state="queued")
    forge.ask(5, 6, "gone", "cancel", state="canceled")
    forge.ask(2, 3, "broken", "run", status=502, state="failed")
    forge.ask(4, 5, "broken", "retry", status=202)
    forge.ask(4, 5, "again", "retry", status=202, state="queued")
    forge.note(10, "hosts", workers={"near": [10, 12], "far": [11]})
    forge.note(10, "fault", fault="worker killed", number=1, severs=["near"])
    forge.ask(10, 11, "twice", "run", status=202, state="queued")
    forge.note(12, "mended", number=1)
    forge.note(20, "fault", fault="host frozen", number=2, severs=["far"])
    forge.ask(20, 29, "zombie", "run", state="succeeded", result="r6.dzombie")
    forge.note(30, "mended", number=2)
    forge.ask(31, 32, "twice", state="succeeded", result="r4.dtwice")
    forge.ask(33, 34, "poison", "run", status=0, id="")
    forge.ask(34, 35, "poison", "run", status=502, state="poisoned")
    runs = [
        (2.2, 2.3, "sync", "r1", 10),
        (2.2, 2.3, "private", "r2", 11),
        (10.5, None, "twice", "r3", 12),
        (13, 13.5, "twice", "r4", 10),
        (20.5, 28.5, "zombie", "r5", 11),
        (26, 28, "zombie", "r6", 10),
        (2.4, 2.5, "broken", "r7", 10),
        (5.1, 5.2, "broken", "r8", 11),
        (60, 60.1, "late near", "r9", 10),
        (60, 60.1, "late far", "r10", 11),
    ]
    for began_s, ended_s, job, run, pid in runs:
        forge.run(began_s, ended_s, job, run, pid)
    for number in range(3):
        forge.run(34 + number / 10, None, "poison", f"p{number}", 20 + number)
    forge.final("sync", result="r1.dsync")
    forge.final("twice", result="r4.dtwice")
    forge.final("zombie", result="r6.dzombie")
    for job, state in {
        "gone": "canceled",
        "poison": "poisoned",
        "broken": "failed",
        "again": "failed",
    }.items():
        forge.final(job, state)
    for to in (NEAR, FAR):
        forge.note(92, "probe", to=to, service="ledger", status=200)
    serving = {"name": "ledger.cpu.0@host", "state": "serving", "slots_busy": 0}
    forge.note(
        93,
        "snapshot",
        keys=[["athena:workers", 2], ["athena:load:ledger", 2], ["athena:ended:ledger", 7]],
        books={"ledger": 0},
        workers={NEAR: [serving], FAR: [serving]},
        pids=[10, 11],
        idle_slots=0,
    )
    return forge.lines


def spoiled(spoil: Callable[[Forge], None]) -> Lines:
    """Returns the same with more in it; lines are in the order of their times."""
    forge = Forge()
    forge.lines, forge._calls = well(), 1000
    spoil(forge)
    return sorted(forge.lines, key=lambda line: line["at"])


def line_of(lines: Lines, what: str, **fields: Any) -> Line:
    """Returns the first line of a kind with these fields."""
    return next(line for line in lines if line["is"] == what and fields.items() <= line.items())


def broken_rules(lines: Lines) -> dict[str, list[str]]:
    """Returns what the checker says of a history: the rules that it breaks."""
    return {rule: found for rule, found in complaints(Reader().read(lines)).items() if found}
