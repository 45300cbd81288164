"""A history, put together: what was asked, seen and run of each job, and what was broken meanwhile."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

FINAL = frozenset({"succeeded", "failed", "canceled", "expired", "timed_out", "poisoned"})

#: How long ago what a caller is told of may have been written.
ON_ITS_WAY_S = 1.0


@dataclass(frozen=True)
class Seen:
    """One request about a job, and its answer.

    Attributes:
        sent_s: when it was sent.
        heard_s: when it was answered, or its connection broke.
        status: 0 if its connection broke.
        state: of the job; "" if the answer tells none.
        result: what the ability answered; "" if the answer has none.
    """

    do: str
    sent_s: float
    heard_s: float
    status: int
    code: int = 0
    job_id: str = ""
    state: str = ""
    result: str = ""
    to: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the job had ended by then."""
        return self.state in FINAL


@dataclass(frozen=True)
class Run:
    """One run of a job, as the ability wrote it down; `ended_s` is None if its process ended first."""

    run: str
    pid: int
    began_s: float
    ended_s: float | None


@dataclass
class Job:
    """One job that a caller wanted.

    Attributes:
        may: the states in which it may end.
        digest: of its input, as the ability answers it; "" if it is not known.
        seen: answers, in the order in which they were heard.
        hung: requests that were never answered: what was asked, and when.
        end: its record when all had ended; None if nobody looked.
    """

    name: str
    may: frozenset[str] = FINAL
    digest: str = ""
    is_named: bool = True
    retries: str = ""
    seen: list[Seen] = field(default_factory=list)
    hung: list[tuple[str, float]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    end: Mapping[str, Any] | None = None

    @property
    def accepted(self) -> Seen | None:
        """The first answer that names the job."""
        return next((seen for seen in self.seen if seen.job_id), None)


@dataclass(frozen=True)
class Span:
    """A time in which something was broken, from the fault until all was whole.

    Attributes:
        severs: hosts whose workers may have been shut out meanwhile.
        stops: hosts whose workers were told to end.
        mutes: hosts whose workers nobody heard.
    """

    fault: str
    from_s: float
    severs: frozenset[str] = frozenset()
    stops: frozenset[str] = frozenset()
    mutes: frozenset[str] = frozenset()
    until_s: float = float("inf")

    def overlaps(self, from_s: float, until_s: float) -> bool:
        """Whether anything of it lies in another time."""
        return self.from_s <= until_s and self.until_s >= from_s


@dataclass
class Story:
    """All of a history."""

    settings: dict[str, Any] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    retried: dict[str, list[str]] = field(default_factory=dict)
    spans: list[Span] = field(default_factory=list)
    losses: list[tuple[float, float]] = field(default_factory=list)
    steps: list[tuple[float, float]] = field(default_factory=list)
    hosts: dict[int, str] = field(default_factory=dict)
    probes: list[dict[str, Any]] = field(default_factory=list)
    snapshot: dict[str, Any] | None = None

    def is_excused(self, sent_s: float, heard_s: float) -> bool:
        """Whether Redis may have lost what was written between a request and its answer."""
        return any(sent_s <= until_s and heard_s >= from_s for from_s, until_s in self.losses)

    def wrong_by_s(self, from_s: float, span_s: float) -> float:
        """Returns how wrong a time may be that Redis' clock measured, from a moment on."""
        return sum(abs(by_s) for at_s, by_s in self.steps if -ON_ITS_WAY_S <= at_s - from_s <= span_s)

    def is_severed(self, pid: int, from_s: float, until_s: float) -> bool:
        """Whether a worker may have been shut out in a time; where its host is not known, any may be it."""
        host = self.hosts.get(pid)
        return any(
            span.severs and (host is None or host in span.severs) and span.overlaps(from_s, until_s)
            for span in self.spans
        )

    def severing(self, from_s: float, until_s: float) -> list[Span]:
        """Returns what may have shut out workers in a time."""
        return [span for span in self.spans if span.severs and span.overlaps(from_s, until_s)]

    def is_given_back(self, run: Run) -> bool:
        """Whether a run outlasted the time of grace of a worker that was told to end."""
        host = self.hosts.get(run.pid)
        return run.ended_s is not None and any(
            span.stops
            and (host is None or host in span.stops)
            and run.began_s <= span.until_s
            and run.ended_s >= span.from_s + self.settings["grace_s"]
            for span in self.spans
        )

    def is_untold(self, run: Run, until_s: float) -> bool:
        """Whether the worker of a run had to end, before a time, while nobody heard what came of it."""
        host = self.hosts.get(run.pid)
        if run.ended_s is None:
            return False
        ends = [span for span in self.spans if span.stops and (host is None or host in span.stops)]
        return any(
            end.overlaps(run.began_s, until_s)
            and mute.overlaps(run.ended_s, until_s)
            and mute.overlaps(end.from_s, end.until_s)
            for end in ends
            for mute in self.spans
            if mute.mutes and (host is None or host in mute.mutes)
        )

    @property
    def last_mended_s(self) -> float:
        """When the last fault was whole again; of those that never were, their beginnings count."""
        ends_s = (span.from_s if span.until_s == float("inf") else span.until_s for span in self.spans)
        return max(ends_s, default=0.0)


class Reader:
    """Puts a story together, line by line."""

    def __init__(self) -> None:
        self.story = Story()
        self._calls: dict[int, dict[str, Any]] = {}
        self._open: dict[int, Span] = {}

    def read(self, lines: Iterable[Mapping[str, Any]]) -> Story:
        """Reads all lines.

        Raises:
            ValueError: one is of a kind that no history holds.
        """
        for line in lines:
            take = getattr(self, f"_take_{line['is']}", None)
            if take is None:
                raise ValueError(f"a history holds no lines of kind {line['is']!r}")
            take(line)
        self._end()
        return self.story

    def _end(self) -> None:
        for call in self._calls.values():
            self._job(call["job"]).hung.append((call["do"], call["at"]))
        self.story.spans += self._open.values()
        for job in self.story.jobs.values():
            job.runs.sort(key=lambda run: run.began_s)
            if job.retries:
                self.story.retried.setdefault(job.retries, []).append(job.name)

    def _job(self, name: str) -> Job:
        return self.story.jobs.setdefault(name, Job(name))

    def _take_settings(self, line: Mapping[str, Any]) -> None:
        self.story.settings = dict(line)

    def _take_want(self, line: Mapping[str, Any]) -> None:
        job = self._job(line["job"])
        job.may = frozenset(line["may"])
        job.digest = line.get("digest", "")
        job.is_named = line.get("is_named", True)
        job.retries = line.get("retries", "")

    def _take_call(self, line: Mapping[str, Any]) -> None:
        self._calls[line["call"]] = dict(line)

    def _take_answer(self, line: Mapping[str, Any]) -> None:
        call = self._calls.pop(line["call"])
        seen = Seen(
            call["do"],
            call["at"],
            line["at"],
            line["status"],
            line.get("code", 0),
            line.get("id", ""),
            line.get("state", ""),
            line.get("result", ""),
            call.get("to", ""),
        )
        self._job(call["job"]).seen.append(seen)

    def _take_fault(self, line: Mapping[str, Any]) -> None:
        severs, stops, mutes = (frozenset(line.get(word, ())) for word in ("severs", "stops", "mutes"))
        self._open[line["number"]] = Span(line["fault"], line["at"], severs, stops, mutes)

    def _take_mended(self, line: Mapping[str, Any]) -> None:
        self.story.spans.append(replace(self._open.pop(line["number"]), until_s=line["at"]))

    def _take_loss(self, line: Mapping[str, Any]) -> None:
        self.story.losses.append((line["from_s"], line["until_s"]))

    def _take_step(self, line: Mapping[str, Any]) -> None:
        self.story.steps.append((line["when_s"], line["by_s"]))

    def _take_hosts(self, line: Mapping[str, Any]) -> None:
        for host, pids in line["workers"].items():
            self.story.hosts.update(dict.fromkeys(pids, host))

    def _take_run(self, line: Mapping[str, Any]) -> None:
        run = Run(line["run"], line["pid"], line["began_s"], line["ended_s"])
        self._job(line["job"]).runs.append(run)

    def _take_final(self, line: Mapping[str, Any]) -> None:
        self._job(line["job"]).end = line

    def _take_probe(self, line: Mapping[str, Any]) -> None:
        self.story.probes.append(dict(line))

    def _take_snapshot(self, line: Mapping[str, Any]) -> None:
        self.story.snapshot = dict(line)
