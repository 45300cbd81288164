"""What came of a run of chaos."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.verdict import Verdict


@dataclass
class Report:
    """The figures of a run.

    Attributes:
        verdict: what became of the jobs.
        hung: calls that were not answered in time.
        bad_answers: answers that nobody may get, and how many.
        repeats: answers after which callers tried again.
        recoveries_s: seconds until all was whole again, by fault.
        idle_slots: slots of workers that took no job when there were enough.
        caused: how many workers and gateways each fault has ended, and starts of workers that it spoilt.
        unexplained: the ends that no fault explains.
        left_open: jobs that have not ended, those of private calls among them.
        stuck: faults after which something was not whole in time.
        missed: faults that found nothing to break, because another one had ended it.
        left_out: how many faults were planned and not made in time.
        outlived: processes of wrappers that outlived their worker.
        broken: the rules that the checker found broken, and how often.
        wrong_counts: numbers of the metrics that differ from the jobs' records at the end.
        wrong_books: lists, sums and held jobs that differ from the jobs' records at the end.
    """

    verdict: Verdict
    seed: int
    took_s: float
    hung: int
    bad_answers: dict[str, int]
    repeats: dict[str, int]
    recoveries_s: dict[str, list[float]]
    idle_slots: int
    caused: dict[str, dict[str, int]] = field(default_factory=dict)
    unexplained: list[dict[str, Any]] = field(default_factory=list)
    outlived: int = 0
    left_open: int = 0
    stuck: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    left_out: int = 0
    broken: dict[str, int] = field(default_factory=dict)
    wrong_books: list[str] = field(default_factory=list)
    wrong_counts: list[str] = field(default_factory=list)

    @property
    def is_kept(self) -> bool:
        """Whether all is as promised."""
        broken = (
            self.hung,
            self.bad_answers,
            self.unexplained,
            self.outlived,
            self.idle_slots,
            self.stuck,
            self.left_open,
            self.broken,
            self.wrong_books,
            self.wrong_counts,
        )
        return self.verdict.is_kept and not any(broken)

    def text(self) -> str:
        """Returns it for people."""
        return "\n".join(
            [f"chaos, {self.took_s / 60:.1f} minutes, seed {self.seed}", *self._counts(), *self._faults()]
        )

    def _counts(self) -> list[str]:
        verdict = self.verdict
        rows = {
            "jobs accepted": f"{verdict.jobs}  ({verdict.jobs / self.took_s:.0f} a second)",
            "faults": sum(map(len, self.recoveries_s.values())),
            "lost": verdict.lost,
            "left open": self.left_open,
            "with two results": verdict.with_two_results,
            "ended wrongly": verdict.wrong,
            "not whole in time": "; ".join(self.stuck) or 0,
            "missed": _listed(Counter(self.missed)),
            "left out": f"{self.left_out}  (those before took too long on this machine)",
            "hung callers": self.hung,
            "answers nobody may get": _listed(self.bad_answers),
            "broken rules": _listed(self.broken),
            "worker deaths": sum(ends.get("worker", 0) for ends in self.caused.values()),
            "unexplained ends": "; ".join(map(_end, self.unexplained)) or 0,
            "outlived their worker": self.outlived,
            "slots that stand idle": self.idle_slots,
            "wrong books": "; ".join(self.wrong_books) or 0,
            "wrong metrics": "; ".join(self.wrong_counts) or 0,
            "begun twice": f"{verdict.run_twice}  (their worker died, or Redis lost their end)",
            "poisoned by faults": f"{verdict.unlucky}  (so many workers were ended under them)",
            "gone with Redis": f"{verdict.gone_with_redis}  (in the seconds that it lost)",
            "final states": _listed(verdict.states),
            "callers' repeats": _listed(self.repeats),
        }
        return [f"  {name:<24}{value}" for name, value in rows.items()]

    def _faults(self) -> list[str]:
        heads = ("fault", "times", "slowest recovery", "worker deaths", "gateway deaths", "failed starts")
        rows: list[tuple[str, ...]] = [heads]
        for name, times_s in sorted(self.recoveries_s.items()):
            ends = self.caused.get(name, {})
            counts = (str(ends.get(child, 0)) for child in ("worker", "gateway", "start"))
            rows.append((name, str(len(times_s)), f"{max(times_s):.2f} s" if times_s else "never", *counts))
        return ["", *(f"  {row[0]:<28}" + "".join(cell.rjust(18) for cell in row[1:]) for row in rows)]


def _end(end: Mapping[str, Any]) -> str:
    # On the clock of the history, whose faults may tell why.
    return f"{end['child']} of {end['host']}: {end['how']} at {end['at_s']:.1f} s"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in Counter(counts).most_common()) or "none"
