"""`python -m tests.chaos --minutes 10`: faults at random under load, and the headline figures.

Ends with status 1 if a job was lost, had two results or ended wrongly, if a caller hung or was given an
answer that nobody may get, if a process ended that no fault explains, if one outlived its worker, if a
worker takes fewer jobs than it has slots, if Redis' books or the metrics differ from the jobs' records at the
end, or if the checker finds a broken promise in the run's history.
"""

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from math import inf
from pathlib import Path

from tests.chaos import check
from tests.chaos.books import wrong_books
from tests.chaos.counted import wrong_counts
from tests.chaos.deaths import Deaths
from tests.chaos.director import Director
from tests.chaos.families import Offspring, offspring
from tests.chaos.faults import Faults
from tests.chaos.history import History
from tests.chaos.keeper import Keeper
from tests.chaos.keyring import KEYRING, KEYS_ON, Rotation
from tests.chaos.limits import END_S, tell_limits
from tests.chaos.load import Crowd, Load
from tests.chaos.needs import CHOSEN, missing
from tests.chaos.notes import Notes
from tests.chaos.redis_server import ALWAYS, EVERYSEC, RedisServer
from tests.chaos.report import Report
from tests.chaos.rules import complaints
from tests.chaos.schedule import Planned, schedule
from tests.chaos.sentinels import SentinelRedis
from tests.chaos.snapshot import tell_end
from tests.chaos.stage import Stage, both_ledgers
from tests.chaos.traits import TRAITS
from tests.chaos.verdict import judge, open_jobs
from tests.chaos.versions import python_of
from tests.chaos.waiting import wait_for
from tests.hangups import let_children_hear_hangups

ONE, SENTINEL, MIN_REPLICAS = "one", "sentinel", "min-replicas"

CROWD = Crowd(short=5, middle=2, long=2, private=1, bulk=1, surface=4)


def main() -> int:
    """Runs chaos and prints what came of it."""
    options = _options()
    plan = _plan(options)
    if options.list:
        print(*plan, sep="\n")
        return 0
    let_children_hear_hangups()
    # Whoever ends this ends all that it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with tempfile.TemporaryDirectory(prefix="athena-chaos-") as name:
        folder = options.keep or Path(name)
        folder.mkdir(exist_ok=True)
        path = options.history or folder / "history.jsonl"
        with History(path) as history:
            report = _run(folder, history, plan, options)
        story = check.read(path)
        found = complaints(story)
        report.broken = {rule: len(wrong) for rule, wrong in found.items() if wrong}
        if not report.is_kept and path.is_relative_to(name):
            path = Path(shutil.copy(path, Path(tempfile.gettempdir()) / f"athena-chaos-{options.seed}.jsonl"))
            print(f"athena: the history is kept: {path}", file=sys.stderr)
    if options.json:
        print(json.dumps({**asdict(report), "is_kept": report.is_kept}))
    else:
        print(report.text(), "", check.text(story, found), sep="\n")
    return int(not report.is_kept)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None, help="to repeat an order of faults")
    parser.add_argument(
        "--pause", type=float, default=5, help="seconds between the begins of faults, at most"
    )
    parser.add_argument("--overlap", type=int, default=3, help="how many faults may go on at once")
    parser.add_argument(
        "--only", metavar="WORDS", default="", help="faults whose names hold one of these words, by commas"
    )
    parser.add_argument("--faults", metavar="N", type=int, help="end after so many faults")
    parser.add_argument(
        "--appendfsync", choices=(EVERYSEC, ALWAYS), default=EVERYSEC, help="how Redis is set (everysec)"
    )
    parser.add_argument(
        "--redis",
        choices=(ONE, SENTINEL, MIN_REPLICAS),
        default=ONE,
        help="one server, a master and a replica with sentinels, or those with min-replicas-to-write",
    )
    parser.add_argument(
        "--beside",
        metavar="REVISION",
        action="append",
        default=[],
        help="mix this version in; may be repeated",
    )
    parser.add_argument(
        "--keys", action="store_true", help="every request needs a key, and the callers' is rotated meanwhile"
    )
    parser.add_argument("--list", action="store_true", help="print which fault would be made when, and end")
    parser.add_argument("--history", metavar="FILE", type=Path, help="write down each call and answer here")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="work in this folder, and leave it there")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.seed is None:
        options.seed = random.randrange(10**6)
    random.seed(options.seed)
    return options


def _plan(options: argparse.Namespace) -> list[Planned]:
    words = options.only.split(",")
    traits = {name: trait for name, trait in TRAITS.items() if any(word in name for word in words)}
    if not traits:
        raise SystemExit(f"--only {options.only}: no fault has such a name; there are {', '.join(TRAITS)}")
    lacks = missing(bool(options.beside), options.redis != ONE)
    left_out = {name: lacks[trait.needs] for name, trait in traits.items() if trait.needs in lacks}
    for need in sorted({trait.needs for trait in traits.values()} & lacks.keys() - CHOSEN):
        names = ", ".join(name for name in left_out if traits[name].needs == need)
        print(f"athena: not made: {names}: {lacks[need]}", file=sys.stderr)
    traits = {name: trait for name, trait in traits.items() if name not in left_out}
    if not traits:
        raise SystemExit("none of these faults can be made here")
    plan = schedule(options.seed, traits, options.minutes * 60, options.pause, options.overlap)
    return plan[: options.faults]


def _run(folder: Path, history: History, plan: list[Planned], options: argparse.Namespace) -> Report:
    pythons = list(map(python_of, options.beside))
    settings = KEYS_ON if options.keys else {}
    KEYRING.token = KEYRING.operator_token = settings.get("admin_token", "")
    stage = Stage(folder, both_ledgers(folder), _redis(folder, options), pythons, **settings)
    rotation = Rotation(stage.urls, stage.redis.url) if options.keys else None
    tell_limits(stage, history, options.seed)
    try:
        stage.start()
        if rotation is not None:
            rotation.start()
        deaths = Deaths({host.name: host.log_path for host in (stage.near, stage.far)})
        keeper = Keeper(stage.hosts, deaths.lose_supervisor)
        deaths.start()
        keeper.start()
        try:
            report = _break_things(stage, deaths, history, plan, options)
        finally:
            keeper.stop()
            deaths.stop()
    finally:
        if rotation is not None:
            rotation.stop()
            print(f"athena: the callers' key was rotated {rotation.count} times", file=sys.stderr)
        left = _orphans(stage)
        stage.stop()
    caused, unexplained = deaths.attribute()
    report.caused = {fault: dict(counter) for fault, counter in caused.items()}
    report.unexplained = [asdict(end) for end in unexplained]
    report.outlived = len(left | set(_orphans(stage)))
    return report


def _redis(folder: Path, options: argparse.Namespace) -> RedisServer | SentinelRedis:
    if options.redis == ONE:
        return RedisServer(folder, options.appendfsync)
    replicas = ("--min-replicas-to-write", "1", "--min-replicas-max-lag", "10")
    return SentinelRedis(folder, *(replicas if options.redis == MIN_REPLICAS else ()))


def _break_things(
    stage: Stage, deaths: Deaths, history: History, plan: list[Planned], options: argparse.Namespace
) -> Report:
    # Celery spells the address of sentinels in another way, which its clients would have to know.
    # With keys their jobs belong to no application, and no caller could ask for them.
    celery_url = stage.redis.url if options.redis == ONE and not options.keys else ""
    load = Load(stage.urls, CROWD, notes=Notes(history), redis_url=celery_url)
    faults = Faults(stage, load, deaths)
    began_s = time.monotonic()
    load.start()
    try:
        span_s = options.minutes * 60 if options.faults is None else inf
        outcomes = Director(stage, faults, history, options.overlap).follow(plan, span_s)
        if options.faults is None:
            time.sleep(max(0.0, began_s + options.minutes * 60 - time.monotonic()))
    finally:
        load.stop()
    took_s = time.monotonic() - began_s
    for loss in faults.redis.losses:
        history.note("loss", **asdict(loss))
    for step in faults.redis.steps:
        history.note("step", **asdict(step))
    with suppress(TimeoutError):
        wait_for(lambda: open_jobs(stage.redis.client) == 0, END_S, "all jobs have ended")
    left_open = open_jobs(stage.redis.client)
    verdict = judge(stage.redis.client, load, stage.ledger_path, faults.redis.losses)
    # A version that does not count takes part in some runs.
    counts = [] if options.beside else wrong_counts(stage.redis.url, stage.redis.client)
    idle_slots = stage.idle_slots()
    tell_end(stage, history, load.notes.ids, idle_slots)
    return Report(
        verdict=verdict,
        seed=options.seed,
        took_s=took_s,
        hung=load.hung,
        bad_answers=load.bad,
        repeats=dict(load.notes.trouble),
        recoveries_s=dict(outcomes.recoveries_s),
        stuck=outcomes.stuck,
        missed=outcomes.missed,
        left_out=outcomes.left_out,
        left_open=left_open,
        idle_slots=idle_slots,
        wrong_counts=counts,
        wrong_books=[" ".join(item) for item in wrong_books(stage.redis.url)],
    )


def _orphans(stage: Stage) -> set[Offspring]:
    """Returns what wrappers have started and has outlived its worker, and ends it."""
    found = {child for child in offspring(stage.ledger_path) if child.is_orphan}
    for child in found:
        child.kill()
    return found


if __name__ == "__main__":
    sys.exit(main())
