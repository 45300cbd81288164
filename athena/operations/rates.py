"""What happened between two overviews: how much each ability did, how long it took, which workers live."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from athena.operations.overview import TROUBLES, Overview
from athena.protocol.enums import JobState
from athena.protocol.paths import main_of
from athena.store.books.counts import Survey

#: A worker whose heartbeat stands still for longer is silent; there is one each second.
SILENT_AFTER_S = 5.0


@dataclass(frozen=True)
class AbilityRates:
    """One ability over the time between two overviews.

    Attributes:
        queued: jobs in its queues.
        oldest_s: how long the oldest of them has waited.
        running: jobs that its workers hold.
        slots: how many they may hold.
        submitted_per_s, done_per_s, failed_per_s: over that time; failed are those that ended otherwise than
            succeeded or canceled.
        typical_ms, slow_ms: half of the jobs took at most so long from acceptance to end, and 95 of 100; None
            if none ended, infinite beyond the last limit that is counted.
        is_paused: whether an operator has paused one of its queues.
        share: of the requests for any version, in percent; None where they are not divided.
    """

    service_id: str
    queued: int
    oldest_s: float
    running: int
    slots: int
    put_off: int
    submitted_per_s: float
    done_per_s: float
    failed_per_s: float
    typical_ms: float | None
    slow_ms: float | None
    is_paused: bool
    share: float | None = None

    @property
    def load(self) -> float | None:
        """Jobs for each slot; None where there is no slot."""
        return (self.queued + self.running) / self.slots if self.slots else None


def bad_ends(overview: Overview) -> int:
    """Returns how many jobs have ended badly since they are counted, of all abilities."""
    troubles = {str(state) for state in TROUBLES}
    return sum(
        count
        for survey in overview.surveys
        for words, count in survey.counts.of("end").items()
        if words[0] in troubles
    )


def ability_rates(before: Overview, now: Overview) -> list[AbilityRates]:
    """Returns what abilities did between two moments."""
    earlier = {survey.service_id: survey for survey in before.surveys}
    passed_s = max(now.at_s - before.at_s, 1e-3)
    return [_rates(earlier.get(survey.service_id), survey, now, passed_s) for survey in now.surveys]


def _rates(before: Survey | None, survey: Survey, now: Overview, passed_s: float) -> AbilityRates:
    workers = [state for state in now.workers if state.entry.service_id == survey.service_id]
    ended = _more_ended(before, survey)
    harmless = {str(JobState.SUCCEEDED), str(JobState.CANCELED)}
    failed = sum(count for state, count in ended.items() if state not in harmless)
    times = _more_times(before, survey)
    return AbilityRates(
        service_id=survey.service_id,
        queued=sum(queue.jobs for queue in survey.queues),
        oldest_s=max((queue.oldest_s for queue in survey.queues), default=0.0),
        running=sum(state.held_jobs for state in workers),
        slots=sum(state.entry.slots for state in workers),
        put_off=survey.put_off_jobs,
        submitted_per_s=_more_submitted(before, survey) / passed_s,
        done_per_s=sum(ended.values()) / passed_s,
        failed_per_s=failed / passed_s,
        typical_ms=_limit_of(times, 0.5),
        slow_ms=_limit_of(times, 0.95),
        is_paused=any(queue.is_paused for queue in survey.queues),
        share=_share(survey.service_id, now),
    )


def _share(service_id: str, now: Overview) -> float | None:
    split = now.splits.get(main_of(service_id))
    return split.share_of(service_id) if split is not None else None


def _more_submitted(before: Survey | None, now: Survey) -> int:
    earlier = sum(before.submitted().values()) if before else 0
    # Less than before is an ability that was forgotten and is served anew.
    return max(0, sum(now.submitted().values()) - earlier)


def _more_ended(before: Survey | None, now: Survey) -> dict[str, int]:
    """Returns how many jobs ended in each state."""
    found: dict[str, int] = {}
    earlier = before.counts.of("end") if before else {}
    for words, count in now.counts.of("end").items():
        more = max(0, count - earlier.get(words, 0))
        found[words[0]] = found.get(words[0], 0) + more
    return found


def _more_times(before: Survey | None, now: Survey) -> dict[float, int]:
    """Returns limit, in milliseconds -> how many more jobs took so long, and longer than the one before."""
    found: dict[float, int] = {}
    earlier = before.counts.spread("total") if before else {}
    for gpu_type, spread in now.counts.spread("total").items():
        known = earlier[gpu_type].buckets if gpu_type in earlier else {}
        # Each bucket holds its own values alone, so those of two moments are subtracted one by one; a Redis
        # that went back to an older state makes none of them negative.
        for limit, count in spread.buckets.items():
            found[limit] = found.get(limit, 0) + max(0, count - known.get(limit, 0))
    return found


def _limit_of(times: Mapping[float, int], share: float) -> float | None:
    """Returns the limit that a share of the values does not exceed."""
    wanted, seen = share * sum(times.values()), 0
    for limit in sorted(times):
        seen += times[limit]
        if times[limit] and seen >= wanted:
            return limit
    return None


@dataclass
class Pulse:
    """Which workers' hearts beat: their counters, over several overviews.

    Attributes:
        changed_s: incarnation -> the counter that was seen last, and since when, by Redis' clock.
    """

    changed_s: dict[str, tuple[int, float]] = field(default_factory=dict)

    def look(self, now: Overview) -> None:
        """Takes in an overview."""
        known = self.changed_s
        self.changed_s = {}
        for state in now.workers:
            name = state.entry.incarnation
            # By the counter and not by a time that the worker tells: clocks of hosts differ.
            last = known.get(name)
            self.changed_s[name] = last if last and last[0] == state.beat else (state.beat, now.at_s)

    def is_silent(self, incarnation: str, now_s: float) -> bool:
        """Whether a worker's heartbeat stands still."""
        _, since_s = self.changed_s.get(incarnation, (0, now_s))
        return now_s - since_s > SILENT_AFTER_S


def worker_states(now: Overview, pulse: Pulse) -> list[tuple[str, str, str, str, str]]:
    """Returns name, ability, GPU type, jobs/slots and state of each worker, those that are away included."""
    told = now.told()
    rows = []
    for state in now.workers:
        entry = state.entry
        status = told.get(entry.name)
        word = state.order or (status.state if status else "serving")
        if pulse.is_silent(entry.incarnation, now.at_s):
            word = "silent"
        rows.append((entry.name, entry.service_id, entry.gpu_type, f"{state.held_jobs}/{entry.slots}", word))
    known = {row[0] for row in rows}
    rows += [
        (status.name, status.service_id, status.gpu_type, "", status.state)
        for status in told.values()
        if status.name not in known
    ]
    known |= {row[0] for row in rows}
    rows += [(name, name.partition(".")[0], "", "", "drained") for name in now.drained if name not in known]
    return sorted(rows)
