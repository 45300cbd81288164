"""What became of every job that was accepted."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pybase64
import redis

from tests.chaos.envelopes import SERVICES
from tests.chaos.load import Accepted, Load
from tests.chaos.redis_server import Loss

CHUNK = 500

#: How long ago a result may have been written when its caller sees it.
ON_ITS_WAY_S = 1.0


@dataclass(frozen=True)
class Verdict:
    """The counts that matter.

    Attributes:
        lost: accepted and not final at the end, or unknown to Redis.
        with_two_results: one result was seen, and another one is kept.
        wrong: good inputs that did not succeed (nobody cancels, and nothing may expire), poison that did.
        run_twice: begun more than once, which is right after a death.
        unlucky: poisoned, though good: so many processes were ended under them on purpose.
        gone_with_redis: lost, or ended anew, with what Redis itself has lost after it had acknowledged it.
        states: how many jobs ended how.
    """

    jobs: int
    lost: int
    with_two_results: int
    wrong: int
    run_twice: int
    states: dict[str, int]
    unlucky: int = 0
    gone_with_redis: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether the promises were kept."""
        return not (self.lost or self.with_two_results or self.wrong)


class Runs:
    """What the ability has written down."""

    def __init__(self, ledger: Path) -> None:
        self._begun: dict[str, set[str]] = defaultdict(set)
        for line in ledger.read_text().splitlines():
            word, tag, run, *_ = line.split(" ")
            if word == "begin":
                self._begun[tag].add(run)

    @property
    def repeated(self) -> int:
        """How many jobs were begun more than once."""
        return sum(len(runs) > 1 for runs in self._begun.values())

    def begun(self, tag: str) -> int:
        """Returns how often a job was begun.

        Which of these its worker did not live to end is known to the history alone: one whose host was cut
        off counts as dead, and comes to its end all the same (`rules.ends_are_wanted`).
        """
        return len(self._begun[tag])


def open_jobs(client: redis.Redis) -> int:
    """Returns how many jobs are not final."""
    return sum(int(client.zcard(f"athena:open:{name}")) for name in SERVICES)


def judge(client: redis.Redis, load: Load, ledger: Path, losses: Sequence[Loss] = ()) -> Verdict:
    """Looks at each job.

    Args:
        client: of Redis.
        load: what was accepted.
        ledger: what the ability has written down.
        losses: what Redis has lost.
    """
    states: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    runs = Runs(ledger)
    jobs = [*load.accepted.items(), *load.replaced]
    for first in range(0, len(jobs), CHUNK):
        chunk = jobs[first : first + CHUNK]
        for (name, job), (state, result) in zip(chunk, _ends(client, [job for _, job in chunk]), strict=True):
            states[state] += 1
            if load.accepted[name] is not job and state != "unknown":
                # Two jobs for one request.
                faults["two results"] += 1
            faults[fault_of(job, state, result, runs.begun(name), losses)] += 1
    return Verdict(
        jobs=len(jobs),
        lost=faults["lost"],
        with_two_results=faults["two results"],
        wrong=faults["wrong"],
        run_twice=runs.repeated,
        states=dict(states),
        unlucky=faults["unlucky"],
        gone_with_redis=faults["gone with Redis"],
    )


def fault_of(job: Accepted, state: str, result: str, begun: int, losses: Iterable[Loss]) -> str:
    """Returns what is to be said of the end of a job; "" if it is as it should be."""
    if state in ("unknown", "queued", "running"):
        is_excused = state == "unknown" and any(loss.covers(job.sent_s, job.heard_s) for loss in losses)
        return "gone with Redis" if is_excused else "lost"
    if state != ("poisoned" if job.is_poison else "succeeded"):
        # Whether so many workers were ended under it is for the history to say: a worker may die before it
        # writes down that it began (`rules.ends_are_wanted`).
        return "unlucky" if state == "poisoned" and begun else "wrong"
    others = [seen_s for seen, seen_s in job.results.items() if seen != result]
    if not others:
        return ""
    is_excused = all(any(loss.covers(seen_s - ON_ITS_WAY_S, seen_s) for loss in losses) for seen_s in others)
    return "gone with Redis" if is_excused else "two results"


def _ends(client: redis.Redis, jobs: list[Accepted]) -> list[tuple[str, str]]:
    with client.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hget(f"athena:job:{job.job_id}", "state")
            pipe.get(f"athena:result:{job.job_id}")
        replies = pipe.execute()
    return [
        ((state or b"unknown").decode(), text_of(result))
        for state, result in zip(replies[::2], replies[1::2], strict=True)
    ]


def text_of(result: bytes | None) -> str:
    """Returns what the ability answered, from the payload that Redis keeps."""
    if not result:
        return ""
    return pybase64.b64decode(orjson.loads(result)["text"]["text"]).decode()
