"""What some of Athena's own choices cost: `make bench-choices ARGS=aof`, or another of `CHOICES`.

The variants of a choice run side by side, idle but for one, and are measured in turn, round by round. Ratios
are medians of the ratios within each round.
"""

import argparse
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import redis

from athena.store.address import socket_path
from athena.supervisor.redis_server import find_server
from benchmarks.harness import ROOT, Served, cpu_us_per_request, median_of, run_wrk, served
from benchmarks.noop import request_body
from benchmarks.tasks import picture_task

PICTURE = Path(__file__).parent / "abilities" / "picture"

#: Sizes of inputs, in KiB, that ride in the message or lie beside it.
SIZES_KIB = (4, 16, 32, 64, 128)

MIB = 1024 * 1024


@dataclass(frozen=True)
class Variant:
    """One way to do it.

    Attributes:
        environment: settings of Athena.
        redis_config: settings of its Redis, changed while it runs.
    """

    name: str
    environment: dict[str, str] = field(default_factory=dict)
    redis_config: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """What is asked of all variants.

    Attributes:
        title: what differs from the other cases.
        path: of the ability.
    """

    title: str
    path: str
    body: bytes
    clients: int


@dataclass(frozen=True)
class Sample:
    """One measurement: requests a second, and microseconds of processor time of a request."""

    rate: float
    p99_ms: float
    cpu_us: float
    redis_us: float


def events() -> tuple[str | Path, list[Variant], list[Case]]:
    """Flower's events: of all jobs, of as many a second as it is told by default, of none."""
    name = "ATHENA_FLOWER_JOBS_PER_S"
    variants = [Variant("as shipped"), Variant("none", {name: "0"}), Variant("all", {name: "1000000"})]
    return "echo", variants, [Case("1 KB", "/echo", request_body(), 64)]


def inline() -> tuple[str | Path, list[Variant], list[Case]]:
    """Inputs in the queue message, or beside it."""
    name = "ATHENA_INLINE_PAYLOAD_BYTES"
    variants = [Variant("in the message", {name: str(MIB)}), Variant("beside it", {name: "0"})]
    cases = [Case(f"{kib} KiB", "/picture", picture_task(kib * 1024).request, 32) for kib in SIZES_KIB]
    return PICTURE, variants, cases


def aof() -> tuple[str | Path, list[Variant], list[Case]]:
    """What the append-only file costs."""
    variants = [
        Variant("as shipped"),
        Variant("rewrites from 64 MB on", redis_config={"auto-aof-rewrite-min-size": str(64 * MIB)}),
        Variant("rewrites compress", redis_config={"rdbcompression": "yes"}),
        Variant("no file", redis_config={"appendonly": "no"}),
    ]
    return PICTURE, variants, [Case("2 MB", "/picture", picture_task().request, 32)]


def allocator() -> tuple[str | Path, list[Variant], list[Case]]:
    """The bundled Redis with mimalloc, and with the C library's `malloc`."""
    server = find_server()
    if not server.is_bundled:
        raise SystemExit(f"{server} would be measured; the allocator is the bundled one's alone")
    # A server on PATH is run as it is.
    folder = ROOT / ".bench" / "malloc"
    folder.mkdir(parents=True, exist_ok=True)
    link = folder / "valkey-server"
    link.unlink(missing_ok=True)
    link.symlink_to(server.path)
    plain = {"PATH": f"{folder}:{os.environ['PATH']}"}
    cases = [Case(f"1 KB, {clients} clients", "/echo", request_body(), clients) for clients in (1, 64)]
    return "echo", [Variant("as shipped"), Variant("malloc", plain)], cases


CHOICES: dict[str, Callable[[], tuple[str | Path, list[Variant], list[Case]]]] = {
    "events": events,
    "inline": inline,
    "aof": aof,
    "allocator": allocator,
}


def measure(athena: Served, case: Case, seconds: float) -> Sample:
    """Runs one case on one variant."""
    before = athena.cpu_s()
    result = run_wrk(athena.url + case.path, case.body, case.clients, seconds)
    cpu_us = cpu_us_per_request(before, athena.cpu_s(), result.requests)
    return Sample(result.rate, result.p99_ms, sum(cpu_us.values()), cpu_us["redis"])


def run(choice: str, rounds: int, seconds: float) -> dict[str, dict[str, list[Sample]]]:
    """Returns, for each case and variant, the samples of all rounds."""
    ability, variants, cases = CHOICES[choice]()
    samples: dict[str, dict[str, list[Sample]]] = {
        case.title: {variant.name: [] for variant in variants} for case in cases
    }
    with ExitStack() as stack:
        running = {}
        for variant in variants:
            athena = stack.enter_context(served(ability, **variant.environment))
            configure(athena, variant)
            running[variant.name] = athena
            for case in cases:
                measure(athena, case, 1)
        for number in range(rounds):
            for case in cases:
                for name in rotated(list(running), number):
                    samples[case.title][name].append(measure(running[name], case, seconds))
    return samples


def configure(athena: Served, variant: Variant) -> None:
    """Changes the settings of a variant's Redis."""
    with redis.Redis(unix_socket_path=str(socket_path(athena.data_dir))) as client:
        for name, value in variant.redis_config.items():
            client.config_set(name, value)


def rotated(names: list[str], number: int) -> list[str]:
    """Returns the names in another order for each round."""
    first = number % len(names)
    return names[first:] + names[:first]


def rows(samples: dict[str, dict[str, list[Sample]]]) -> Iterator[Iterable[str]]:
    """Returns the lines of the table."""
    for title, by_variant in samples.items():
        first = next(iter(by_variant.values()))
        for name, taken in by_variant.items():
            ratio = median_of([own.rate / other.rate for own, other in zip(taken, first, strict=True)])
            yield (
                title,
                name,
                f"{median_of([sample.rate for sample in taken]):,.0f}",
                f"{ratio:.2f}",
                f"{median_of([sample.p99_ms for sample in taken]):.1f}",
                f"{median_of([sample.cpu_us for sample in taken]):,.0f}",
                f"{median_of([sample.redis_us for sample in taken]):,.0f}",
            )


def main() -> None:
    """Measures and prints a table in Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("choice", choices=CHOICES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    samples = run(options.choice, options.rounds, options.seconds)
    print(f"{(CHOICES[options.choice].__doc__ or '').strip()}\n")
    print("| request | variant | requests/s | ÷ the first | p99 ms | CPU µs/request | of that Redis |")
    print("| ---: | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows(samples):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
