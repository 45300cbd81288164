"""`python -m tests.chaos --minutes 10`: faults at random under load, and the headline figures.

Ends with status 1 if a job was lost, had two results or ended wrongly, or if a caller hung.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict
from pathlib import Path

from tests.chaos.faults import Faults
from tests.chaos.load import Load
from tests.chaos.stage import Stage, wait_for
from tests.chaos.verdict import Verdict, judge, open_jobs


def main() -> int:
    """Runs chaos and prints what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="to repeat an order of faults")
    parser.add_argument("--pause", type=float, default=4, help="seconds between faults, at most")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(10**6)
    random.seed(seed)
    with tempfile.TemporaryDirectory(prefix="athena-chaos-") as folder:
        stage = Stage(Path(folder))
        try:
            stage.start()
            return _run(stage, options, seed)
        finally:
            stage.stop()


def _run(stage: Stage, options: argparse.Namespace, seed: int) -> int:
    load = Load(stage.urls, callers=8, bulk_callers=2, pause_s=0.05)
    began_s = time.monotonic()
    load.start()
    recoveries = _break_things(stage, load, began_s + options.minutes * 60, options.pause)
    load.stop()
    took_s = time.monotonic() - began_s
    wait_for(lambda: open_jobs(stage.redis.client) == 0, 120, "all jobs have ended")
    verdict = judge(stage.redis.client, load.accepted, stage.ledger_path)
    if options.json:
        print(json.dumps({**asdict(verdict), "hung": load.hung, "recoveries_s": recoveries, "seed": seed}))
    else:
        _print(verdict, load, recoveries, took_s, seed)
    return int(bool(verdict.lost or verdict.with_two_results or verdict.wrong or load.hung))


def _break_things(stage: Stage, load: Load, until_s: float, pause_s: float) -> dict[str, list[float]]:
    """Breaks one thing after the other, each kind as often as the others."""
    faults = Faults(stage, load).all()
    recoveries: dict[str, list[float]] = defaultdict(list)
    bag: list[str] = []
    while time.monotonic() < until_s:
        time.sleep(random.uniform(0, pause_s))
        if not bag:
            bag = random.sample(sorted(faults), len(faults))
        name = bag.pop()
        recoveries[name].append(faults[name]())
        print(f"  {time.strftime('%H:%M:%S')}  {name}: {recoveries[name][-1]:.2f} s", file=sys.stderr)
    return recoveries


def _print(
    verdict: Verdict, load: Load, recoveries: dict[str, list[float]], took_s: float, seed: int
) -> None:
    print(f"chaos, {took_s / 60:.1f} minutes, seed {seed}")
    print(f"  jobs accepted      {verdict.jobs}  ({verdict.jobs / took_s:.0f} a second)")
    print(f"  faults             {sum(map(len, recoveries.values()))}")
    print(f"  lost               {verdict.lost}")
    print(f"  with two results   {verdict.with_two_results}")
    print(f"  ended wrongly      {verdict.wrong}")
    print(f"  hung callers       {load.hung}")
    print(f"  begun twice        {verdict.run_twice}  (their worker died)")
    print(f"  final states       {_counts(Counter(verdict.states))}")
    print(f"  callers' repeats   {_counts(load.trouble)}")
    print(f"\n  {'fault':<28}{'times':>6}{'slowest recovery':>20}")
    for name, times_s in sorted(recoveries.items()):
        print(f"  {name:<28}{len(times_s):>6}{max(times_s):>18.2f} s")


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counter.most_common()) or "none"


if __name__ == "__main__":
    sys.exit(main())
