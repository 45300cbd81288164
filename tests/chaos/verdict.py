"""What became of every job that was accepted."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import orjson
import pybase64
import redis

from tests.chaos.load import Accepted

CHUNK = 500


@dataclass(frozen=True)
class Verdict:
    """The counts that matter.

    Attributes:
        lost: accepted and not final at the end, or unknown to Redis.
        with_two_results: one result was seen, and another one is kept.
        wrong: good inputs that did not succeed, poison that did.
        run_twice: begun more than once, which is right after a death.
        states: how many jobs ended how.
    """

    jobs: int
    lost: int
    with_two_results: int
    wrong: int
    run_twice: int
    states: dict[str, int]


def open_jobs(client: redis.Redis) -> int:
    """Returns how many jobs are not final."""
    return int(client.zcard("athena:open:ledger"))


def judge(client: redis.Redis, accepted: dict[str, Accepted], ledger: Path) -> Verdict:
    """Looks at each job."""
    states: Counter[str] = Counter()
    lost = two = wrong = 0
    jobs = list(accepted.values())
    for first in range(0, len(jobs), CHUNK):
        chunk = jobs[first : first + CHUNK]
        for job, (state, result) in zip(chunk, _ends(client, chunk), strict=True):
            states[state] += 1
            lost += state in ("unknown", "queued", "running")
            wrong += state != ("poisoned" if job.is_poison else "succeeded")
            two += bool(job.results - {result}) or len(job.results) > 1
    return Verdict(len(jobs), lost, two, wrong, run_twice(ledger), dict(states))


def _ends(client: redis.Redis, jobs: list[Accepted]) -> list[tuple[str, str]]:
    with client.pipeline(transaction=False) as pipe:
        for job in jobs:
            pipe.hget(f"athena:job:{job.job_id}", "state")
            pipe.get(f"athena:result:{job.job_id}")
        replies = pipe.execute()
    return [
        ((state or b"unknown").decode(), _text(result))
        for state, result in zip(replies[::2], replies[1::2], strict=True)
    ]


def _text(result: bytes | None) -> str:
    if not result:
        return ""
    return pybase64.b64decode(orjson.loads(result)["text"]["text"]).decode()


def run_twice(ledger: Path) -> int:
    """Returns how many jobs were begun more than once."""
    begun = Counter(line.split()[1] for line in ledger.read_text().splitlines() if line.startswith("begin"))
    return sum(count > 1 for count in begun.values())
