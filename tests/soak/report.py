"""What came of a soak."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.figures import percentile
from tests.chaos.deaths import End
from tests.soak.load import Load
from tests.soak.processes import Reading, table

#: Growth is judged from the middle of a run to its end, if that is long enough for caches to be full.
JUDGED_S = 600.0


@dataclass(frozen=True)
class Kind:
    """What came of one kind of request; the slowest was answered so many seconds after the first reading."""

    name: str
    answers: dict[str, int]
    p50_ms: float
    p99_ms: float
    worst_ms: float
    worst_after_s: float
    wrong: dict[str, int]


@dataclass(frozen=True)
class Report:
    """The figures of a soak.

    Attributes:
        seconds: for how long requests were sent.
        not_sent: requests for which too many others were under way, or that came too late for the rate.
        ended: workers and gateways that ended.
        gone: processes that were there at the beginning and are not any more.
        grown: processes that take clearly more at the end than in the middle.
    """

    seconds: float
    kinds: tuple[Kind, ...]
    hung: int
    broken: int
    not_sent: int
    ended: tuple[str, ...]
    gone: tuple[str, ...]
    grown: tuple[str, ...]
    readings: tuple[Reading, ...]

    @classmethod
    def of(cls, load: Load, readings: Sequence[Reading], ends: Sequence[End], seconds: float) -> "Report":
        """Returns what came of a load."""
        first, middle, last = readings
        is_long = last.at_s - middle.at_s >= JUDGED_S
        return cls(
            seconds=seconds,
            kinds=tuple(
                Kind(
                    name=name,
                    answers={str(status): count for status, count in sorted(tally.statuses.items())},
                    p50_ms=1000 * percentile(tally.seconds, 50),
                    p99_ms=1000 * percentile(tally.seconds, 99),
                    worst_ms=1000 * tally.worst[0],
                    worst_after_s=tally.worst[1] - first.at_s,
                    wrong=dict(tally.wrong.most_common(10)),
                )
                for name, tally in load.tallies.items()
                if tally.seconds
            ),
            hung=load.hung,
            broken=load.broken,
            not_sent=load.not_sent,
            ended=tuple(f"{end.child}: {end.how}" for end in ends),
            gone=tuple(first.samples[pid].role for pid in first.samples.keys() - last.samples.keys()),
            grown=tuple(
                sample.role
                for pid, sample in last.samples.items()
                if is_long and pid in middle.samples and sample.has_grown(middle.samples[pid])
            ),
            readings=tuple(readings),
        )

    @property
    def wrong(self) -> Counter[str]:
        """Answers that their requests may not get, with the kind of request."""
        return Counter(
            {f"{kind.name}: {what}": count for kind in self.kinds for what, count in kind.wrong.items()}
        )

    @property
    def server_errors(self) -> int:
        """How many of these were errors of the server."""
        return sum(count for what, count in self.wrong.items() if what.partition(": ")[2].startswith("5"))

    @property
    def is_good(self) -> bool:
        """Whether nothing went wrong."""
        return not (self.wrong or self.hung or self.broken or self.ended or self.gone or self.grown)

    def document(self) -> dict[str, Any]:
        """Returns it for programs."""
        return {**asdict(self), "server_errors": self.server_errors, "is_good": self.is_good}

    def text(self) -> str:
        """Returns it for people."""
        requests = sum(sum(kind.answers.values()) for kind in self.kinds)
        rows = {
            "answers": f"{requests}  ({requests / self.seconds:.0f} a second)",
            "worker deaths": sum(what.startswith("worker") for what in self.ended),
            "other ends": sum(not what.startswith("worker") for what in self.ended) + len(self.gone),
            "server errors": self.server_errors,
            "wrong answers": self.wrong.total(),
            "hung, broken": f"{self.hung}, {self.broken}",
            "not sent": f"{self.not_sent}  (the machine is too slow for the rate)" if self.not_sent else 0,
            "grown": ", ".join(self.grown) or "nothing",
        }
        lines = [
            f"soak, {self.seconds / 60:.1f} minutes",
            *(f"  {name:<16}{value}" for name, value in rows.items()),
        ]
        lines += ["", *(f"  {line}" for line in _kinds(self.kinds)), ""]
        lines += [f"  {line}" for line in table(self.readings)]
        lines += [f"  ended: {what}" for what in (*self.ended, *self.gone)]
        lines += [f"  wrong: {count} x {what}" for what, count in self.wrong.most_common(20)]
        return "\n".join(lines)


def _kinds(kinds: Sequence[Kind]) -> list[str]:
    lines = [f"{'request':<26}{'p50 ms':>9}{'p99 ms':>9}{'worst ms':>10}{'at s':>8}  answers"]
    for kind in kinds:
        answers = ", ".join(f"{status}: {count}" for status, count in kind.answers.items())
        times = f"{kind.p50_ms:>9.1f}{kind.p99_ms:>9.1f}{kind.worst_ms:>10.0f}{kind.worst_after_s:>8.0f}"
        lines.append(f"{kind.name:<26}{times}  {answers}")
    return lines
