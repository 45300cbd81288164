"""The request that does nothing at fixed rates: what callers see who do not wait for each other."""

import random
import tempfile
from pathlib import Path

from benchmarks.contestants import Contestant
from benchmarks.figures import per_request_us
from benchmarks.harness import run_wrk
from benchmarks.openloop import arrivals, build, send, summary
from benchmarks.results import Result, round_off
from benchmarks.scenarios import Options, alone, running, shuffled
from benchmarks.tasks import noop_task

#: Parts of what each contestant answered at most, measured at the start of each round.
SHARES = (0.25, 0.5, 0.7, 0.8, 0.9)

CAPACITY_CLIENTS = 64


def race_open(options: Options) -> Result:
    """The request that does nothing, at fixed parts of what each contestant answered at most."""
    result, draw = Result("openloop"), random.Random(options.seed)
    names = options.pick("mosec", "litserve")
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        program = build(Path(folder))
        with running(names, noop_task(), options.say) as started:
            for number in range(options.rounds):
                options.say(f"  round {number + 1} of {options.rounds}")
                for one in shuffled(started, draw):
                    with alone(one, started):
                        take_round(result, one, program, options.seconds, draw)
    return result


def take_round(result: Result, one: Contestant, program: Path, seconds: float, draw: random.Random) -> None:
    """Measures a contestant's capacity, then its latencies below it."""
    capacity = run_wrk(one.url, one.request, CAPACITY_CLIENTS, seconds).rate
    one.settle()
    for share in SHARES:
        times = arrivals(capacity * share, seconds, draw.randrange(2**32))
        before = one.cpu_s()
        figures = summary(send(program, one.url, one.request, times))
        cpu_us = per_request_us(before, one.cpu_s(), len(times))
        figures |= {"capacity": capacity, "wanted": capacity * share, "cpu_us": sum(cpu_us.values())}
        result.add(one.name, {"share": share}, round_off(figures))
        one.settle()
