"""`python -m tests.chaos --minutes 10`: faults at random under load, and the headline figures.

Ends with status 1 if a job was lost, had two results or ended wrongly, if a caller hung or was given an
answer that nobody may get, if a process ended that no fault explains, if one outlived its worker, or if a
worker takes fewer jobs than it has slots.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tests.chaos.deaths import Deaths
from tests.chaos.families import Offspring, offspring
from tests.chaos.faults import Faults
from tests.chaos.load import Crowd, Load
from tests.chaos.report import Report
from tests.chaos.stage import Stage, both_ledgers
from tests.chaos.verdict import judge, open_jobs
from tests.chaos.waiting import wait_for
from tests.hangups import let_children_hear_hangups

CROWD = Crowd(short=6, middle=2, long=2, private=1, bulk=2)

#: How long it may take until every job that was accepted has ended.
END_S = 120.0


def main() -> int:
    """Runs chaos and prints what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="to repeat an order of faults")
    parser.add_argument("--pause", type=float, default=4, help="seconds between faults, at most")
    parser.add_argument("--only", metavar="WORD", default="", help="faults whose names hold this word")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="work in this folder, and leave it there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    let_children_hear_hangups()
    options = parser.parse_args()
    # Whoever ends this ends all that it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if options.seed is None:
        options.seed = random.randrange(10**6)
    random.seed(options.seed)
    with tempfile.TemporaryDirectory(prefix="athena-chaos-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(exist_ok=True)
        report = _run(folder, options)
    print(json.dumps({**asdict(report), "is_kept": report.is_kept}) if options.json else report.text())
    return int(not report.is_kept)


def _run(folder: Path, options: argparse.Namespace) -> Report:
    stage = Stage(folder, both_ledgers(folder))
    try:
        stage.start()
        deaths = Deaths({host.name: host.log_path for host in (stage.near, stage.far)})
        deaths.start()
        try:
            report = _break_things(stage, deaths, options)
        finally:
            deaths.stop()
    finally:
        left = _orphans(stage)
        stage.stop()
    caused, unexplained = deaths.attribute()
    report.caused = {fault: dict(counter) for fault, counter in caused.items()}
    report.unexplained = [asdict(end) for end in unexplained]
    report.outlived = len(left | set(_orphans(stage)))
    return report


def _break_things(stage: Stage, deaths: Deaths, options: argparse.Namespace) -> Report:
    load = Load(stage.urls, CROWD)
    faults = Faults(stage, load, deaths)
    began_s = time.monotonic()
    load.start()
    try:
        recoveries, stuck = _break_each(faults, began_s + options.minutes * 60, options)
    finally:
        load.stop()
    took_s = time.monotonic() - began_s
    with suppress(TimeoutError):
        wait_for(lambda: open_jobs(stage.redis.client) == 0, END_S, "all jobs have ended")
    left_open = open_jobs(stage.redis.client)
    verdict = judge(stage.redis.client, load, stage.ledger_path, faults.redis.losses)
    return Report(
        verdict=verdict,
        seed=options.seed,
        took_s=took_s,
        hung=load.hung,
        bad_answers=dict(load.bad),
        repeats=dict(load.trouble),
        recoveries_s=recoveries,
        stuck=stuck,
        left_open=left_open,
        idle_slots=stage.idle_slots(),
    )


def _break_each(
    faults: Faults, until_s: float, options: argparse.Namespace
) -> tuple[dict[str, list[float]], list[str]]:
    """Breaks one thing after the other, each kind as often as the others."""
    names = sorted(name for name in faults.all() if options.only in name)
    recoveries: dict[str, list[float]] = defaultdict(list)
    stuck: list[str] = []
    bag: list[str] = []
    while time.monotonic() < until_s:
        time.sleep(random.uniform(0, options.pause))
        if not bag:
            bag = random.sample(names, len(names))
        name = bag.pop()
        try:
            recoveries[name].append(faults.run(name))
            told = f"{recoveries[name][-1]:.2f} s"
        except TimeoutError as error:
            told = str(error)
            stuck.append(f"{name}: {told}")
        print(f"  {time.strftime('%H:%M:%S')}  {name}: {told}", file=sys.stderr)
    return dict(recoveries), stuck


def _orphans(stage: Stage) -> set[Offspring]:
    """Returns what wrappers have started and has outlived its worker, and ends it."""
    found = {child for child in offspring(stage.ledger_path) if child.is_orphan}
    for child in found:
        child.kill()
    return found


if __name__ == "__main__":
    sys.exit(main())
