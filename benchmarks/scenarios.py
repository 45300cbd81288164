"""The races: every scenario of `make bench-peers`, each round with all contestants one after the other."""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from benchmarks.contestants import PEERS, Contestant, contestant
from benchmarks.figures import per_request_us
from benchmarks.harness import run_wrk
from benchmarks.redis_probe import queued_picture, redis_floor
from benchmarks.results import Result, round_off
from benchmarks.tasks import Task, batch_task, digits_task, noop_task, picture_task

WARM_UP_S = 2

SWEEP_CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)

#: From here on a run takes twice as long: a slow server answers each client only a few times in it.
MANY_CLIENTS = 512

Say = Callable[[str], None]


@dataclass(frozen=True)
class Options:
    """What the command line asks for."""

    rounds: int = 5
    seconds: float = 3
    peers: tuple[str, ...] = PEERS
    seed: int = 7
    say: Say = print

    def pick(self, *names: str) -> list[str]:
        """Returns Athena and those of the names that take part."""
        return ["athena", *(name for name in names if name in (*self.peers, "bare"))]


@contextmanager
def running(names: Sequence[str], task: Task, say: Say) -> Iterator[list[Contestant]]:
    """Runs all contestants of a race at the same time."""
    with ExitStack() as stack:
        started = []
        for name in names:
            say(f"  starting {name}")
            started.append(stack.enter_context(contestant(name, task)))
        for each in started:
            run_wrk(each.url, each.request, 16, WARM_UP_S)
            each.settle()
        yield started


def shuffled(contestants: Iterable[Contestant], draw: random.Random) -> list[Contestant]:
    """Returns the order of a round: nobody always runs after the same neighbour."""
    order = list(contestants)
    draw.shuffle(order)
    return order


@contextmanager
def alone(one: Contestant, started: Iterable[Contestant]) -> Iterator[None]:
    """Freezes the others meanwhile, but for Athena: its parts would take each other for dead."""
    others = [other for other in started if other is not one and not other.is_athena]
    for other in others:
        other.freeze()
    try:
        one.settle()
        yield
    finally:
        for other in others:
            other.thaw()


def measure(one: Contestant, clients: int, seconds: float) -> dict[str, float]:
    """Drives a contestant with clients that send as soon as they are answered."""
    before = one.cpu_s()
    done = run_wrk(one.url, one.request, clients, seconds)
    cpu_us = per_request_us(before, one.cpu_s(), done.requests)
    held_mb = one.memory_mb()
    one.settle()
    figures = {"rate": done.rate, "memory_mb": sum(held_mb.values())}
    figures |= {f"memory_mb.{part}": value for part, value in held_mb.items()}
    if done.requests:
        # A server that answered nobody in time has no latency and no cost of a request.
        figures |= {"p50_ms": done.p50_ms, "p99_ms": done.p99_ms, "cpu_us": sum(cpu_us.values())}
        figures |= {f"cpu_us.{part}": value for part, value in cpu_us.items()}
    return round_off(figures)


Extra = Callable[[Contestant, int], Mapping[str, float]]


def nothing_more(one: Contestant, clients: int) -> Mapping[str, float]:
    """Adds no figures to those of a run."""
    return {}


def closed_loop(
    name: str,
    task: Task,
    names: Sequence[str],
    clients: Sequence[int],
    options: Options,
    extra: Extra = nothing_more,
) -> Result:
    """Races contestants at each number of clients."""
    result, draw = Result(name), random.Random(options.seed)
    with running(names, task, options.say) as started:
        for number in range(options.rounds):
            options.say(f"  round {number + 1} of {options.rounds}")
            for count in clients:
                seconds = options.seconds * (2 if count >= MANY_CLIENTS else 1)
                for one in shuffled(started, draw):
                    with alone(one, started):
                        figures = {**measure(one, count, seconds), **extra(one, count)}
                    result.add(one.name, {"clients": count}, figures)
    return result


def race_noop(options: Options) -> Result:
    """A request of 1 KB that does nothing, beside a bare server and bare round trips to Redis."""
    names = options.pick("bare", *PEERS)
    return closed_loop("noop", noop_task(), names, (1, 64, 1000), options, redis_floor)


def race_batch(options: Options) -> Result:
    """A model that gains from batches."""
    names = options.pick("litserve", "mosec", "bentoml", "ray")
    return closed_loop("batch", batch_task(), names, (64,), options)


def race_classifier(options: Options) -> Result:
    """The digit classifier of examples/digits."""
    names = options.pick("litserve", "mosec")
    return closed_loop("classifier", digits_task(), names, (64,), options)


def race_sweep(options: Options) -> Result:
    """The request that does nothing, from 1 client to 1000; shorter runs, as there are many of them."""
    names = options.pick("mosec", "litserve")
    shorter = replace(options, seconds=options.seconds * 2 / 3)
    return closed_loop("sweep", noop_task(), names, SWEEP_CLIENTS, shorter)


def race_pictures(options: Options) -> Result:
    """A picture of 2 MB at 32 clients, and what Redis needs while it is queued."""
    longer = replace(options, seconds=2 * options.seconds)
    result = closed_loop("pictures", picture_task(), options.pick("celery"), (32,), longer)
    options.say("  memory of queued pictures")
    result.figures = {f"redis_bytes_per_byte.{name}": value for name, value in queued_picture().items()}
    return result
