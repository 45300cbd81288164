"""Two builds of this project side by side: `make bench-builds OLD=34af608`.

Each revision is checked out and installed into an environment of its own, as a user installs it, with
the versions of its own constraints.txt and its own Redis. Both run at the same time; each round measures
one after the other in an order that is drawn anew, and what counts is the ratio within a round. With
`--out docs/benchmarks` the rounds are kept there, of which `report.py` makes tables and a plot.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.autogroup import shared_alike
from benchmarks.contestants import BUILDS, Contestant, build_folder, build_python
from benchmarks.figures import per_request_us
from benchmarks.harness import ROOT, run_wrk, served
from benchmarks.openloop import arrivals, build, send, summary
from benchmarks.peer_bench import interrupt, names_of, say
from benchmarks.ratios import NEW, OLD, PREFIX, ratio_table
from benchmarks.redis_probe import redis_floor
from benchmarks.results import Result, about, round_off, save
from benchmarks.scenarios import Options, alone, closed_loop, running, shuffled
from benchmarks.tasks import batch_task, noop_task, picture_task

MEDIUM_BYTES = 48 * 1024
HALF = 0.5
CAPACITY_CLIENTS = 64
REST_S = 10.0
SETTLE_S = 5.0


def race_noop(options: Options) -> Result:
    """A request of 1 KB that does nothing, from one client to a thousand."""
    return closed_loop("noop", noop_task(), BUILDS, (1, 64, 1000), options, redis_floor)


def race_medium(options: Options) -> Result:
    """Inputs of 48 KiB, which lie beside the message where they do not ride in it."""
    return closed_loop("medium", picture_task(MEDIUM_BYTES), BUILDS, (64,), options)


def race_pictures(options: Options) -> Result:
    """Pictures of 2 MB."""
    return closed_loop("pictures", picture_task(), BUILDS, (32,), options)


def race_batch(options: Options) -> Result:
    """A model that gains from batches."""
    return closed_loop("batch", batch_task(), BUILDS, (64,), options)


def race_open(options: Options) -> Result:
    """The request that does nothing, from independent callers, at half of what the old build answers."""
    result, draw = Result("openloop"), random.Random(options.seed)
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        program = build(Path(folder))
        with running(BUILDS, noop_task(), options.say) as started:
            old = next(one for one in started if one.name == OLD)
            for number in range(options.rounds):
                options.say(f"  round {number + 1} of {options.rounds}")
                capacity = run_wrk(old.url, old.request, CAPACITY_CLIENTS, options.seconds).rate
                times = arrivals(capacity * HALF, options.seconds, draw.randrange(2**32))
                for one in shuffled(started, draw):
                    with alone(one, started):
                        result.add(one.name, {"share": HALF}, _open_round(one, program, times))
    return result


def _open_round(one: Contestant, program: Path, times: Sequence[int]) -> dict[str, float]:
    before = one.cpu_s()
    figures = summary(send(program, one.url, one.request, times))
    cpu_us = per_request_us(before, one.cpu_s(), len(times))
    return round_off({**figures, "cpu_us": sum(cpu_us.values())})


def race_rest(options: Options) -> Result:
    """The stack with two abilities, which nobody calls: memory, and processor time of a second."""
    result, draw = Result("rest"), random.Random(options.seed)
    for number in range(options.rounds):
        options.say(f"  round {number + 1} of {options.rounds}")
        for name in draw.sample(BUILDS, len(BUILDS)):
            abilities = (build_folder(name) / "abilities" / ability for ability in ("echo", "mmocr"))
            with served(*abilities, python=str(build_python(name))) as athena:
                one = Contestant(name, athena.url, {"supervisor": athena.pid}, b"")
                time.sleep(SETTLE_S)
                result.add(name, {"abilities": 2}, _rest_round(one))
    return result


def _rest_round(one: Contestant) -> dict[str, float]:
    before = sum(one.cpu_s().values())
    time.sleep(REST_S)
    used_ms = (sum(one.cpu_s().values()) - before) / REST_S * 1000
    return round_off({"memory_mb": sum(one.memory_mb().values()), "idle_cpu_ms_per_s": used_ms})


RACES: dict[str, Callable[[Options], Result]] = {
    "noop": race_noop,
    "medium": race_medium,
    "pictures": race_pictures,
    "batch": race_batch,
    "openloop": race_open,
    "rest": race_rest,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Installs both builds, races them and prints the ratios; races before one that fails are kept."""
    command = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parse(command)
    signal.signal(signal.SIGTERM, interrupt)
    revisions = {OLD: chosen.old, NEW: chosen.new}
    for name, revision in revisions.items():
        revisions[name] = install(name, revision)
    print(f"old {revisions[OLD]}, new {revisions[NEW]}; medians of {chosen.rounds} interleaved rounds")
    options = Options(chosen.rounds, chosen.seconds, (), chosen.seed, say)
    for name in chosen.only:
        say(f"{name}: {(RACES[name].__doc__ or '').strip()}")
        with shared_alike():
            result = RACES[name](options)
            result.about = about_builds(typed(command), revisions, chosen.rounds, chosen.seconds)
        result.scenario = PREFIX + name
        if chosen.out:
            save(result, chosen.out)
        print(f"\n{name}: {(RACES[name].__doc__ or '').strip()}\n\n{ratio_table(result)}", flush=True)


def about_builds(command: str, revisions: Mapping[str, str], rounds: int, seconds: float) -> dict[str, Any]:
    """Returns what has to be known of a run of two builds; the versions are those of each build itself."""
    commits = {"commit": revisions[NEW], "old_commit": revisions[OLD]}
    return {**about(command), **commits, "rounds": rounds, "seconds": seconds}


def typed(command: Sequence[str]) -> str:
    """Returns the command line of `make` that is the same as a command line of this module."""
    rest = list(command)
    at = rest.index("--old") if "--old" in rest else None
    old = rest[at + 1] if at is not None else ""
    if at is not None:
        del rest[at : at + 2]
    return f"make bench-builds OLD={old}" + (f' ARGS="{" ".join(rest)}"' if rest else "")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--old", required=True, help="a revision, the build to compare with")
    parser.add_argument("--new", default="HEAD", help="a revision")
    parser.add_argument("--only", type=names_of(RACES), default=list(RACES), help="races, by commas")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--seed", type=int, default=7, help="of the order within the rounds")
    parser.add_argument("--out", type=Path, help="folder for the rounds as JSON")
    return parser.parse_args(arguments)


def install(name: str, revision: str) -> str:
    """Checks a revision out and installs it, once; returns its full name.

    Raises:
        SystemExit: there is no such revision, or it cannot be installed.
    """
    folder = build_folder(name)
    found = subprocess.run(
        ["git", "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    commit = found.stdout.strip()
    if not commit:
        raise SystemExit(f"there is no revision {revision!r}")
    mark = folder / ".commit"
    if not mark.exists() or mark.read_text() != commit:
        say(f"installing {name}: {commit[:10]}")
        _check_out(commit, folder)
        done = subprocess.run(["scripts/install.sh", "serve"], cwd=folder, capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{revision} cannot be installed:\n{done.stderr[-3000:]}")
        mark.write_text(commit)
    return commit[:10]


def _check_out(commit: str, folder: Path) -> None:
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    folder.mkdir(parents=True)
    with tempfile.NamedTemporaryFile(suffix=".tar") as archive:
        subprocess.run(["git", "archive", "--output", archive.name, commit], cwd=ROOT, check=True)
        subprocess.run(["tar", "-xf", archive.name, "-C", str(folder)], check=True)


if __name__ == "__main__":
    main()
