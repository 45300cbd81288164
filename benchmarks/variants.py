"""Variants of the no-op request side by side: each round measures all, in an order that is drawn anew.

What counts is the ratio to the first variant within a round: both saw the machine in the same state.
"""

import argparse
import json
import random
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.harness import Served, cpu_us_per_request, run_wrk
from benchmarks.noop import request_body

#: Variant -> rate, p99_ms, cpu_us and the processor time of each part, of one round.
Round = dict[str, dict[str, float]]


def read_options(description: str | None) -> argparse.Namespace:
    """Returns what the command line asks for: clients, rounds, seconds (of a variant in a round), json."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print the rounds as JSON")
    return parser.parse_args()


def measure(athena: Served, script: str, clients: int, seconds: int) -> dict[str, float]:
    """Returns the rate, and the processor time of a request in each part, in microseconds.

    Args:
        athena: a stack that serves echo.
        script: Lua for wrk, for requests that differ; "" for plain ones.
        clients: connections.
        seconds: how long.
    """
    before = athena.cpu_s()
    result = run_wrk(f"{athena.url}/echo", request_body(), clients, seconds, script)
    cpu_us = cpu_us_per_request(before, athena.cpu_s(), result.requests)
    return {"rate": result.rate, "p99_ms": result.p99_ms, "cpu_us": sum(cpu_us.values()), **cpu_us}


def run_rounds(
    variants: Sequence[str], measure_one: Callable[[str], dict[str, float]], rounds: int
) -> list[Round]:
    """Measures all variants so many times, and once more before that to warm up."""
    draw = random.Random(7)
    drawn = [draw.sample(variants, len(variants)) for _ in range(rounds + 1)]
    return [{name: measure_one(name) for name in order} for order in drawn][1:]


class Goal(NamedTuple):
    """What a variant may cost, as a ratio to the first one.

    Attributes:
        figure: `cpu_us`, which may be so much at most, or `rate`, which has to be so much at least.
    """

    variant: str
    figure: str
    limit: float


def report(
    variants: Sequence[str],
    rounds: Sequence[Round],
    options: argparse.Namespace,
    goals: Sequence[Goal] = (),
) -> str:
    """Returns a table of medians and of ratios to the first variant, or the rounds as JSON."""
    if options.json:
        return json.dumps(rounds, indent=2)
    head = f"no-op, {options.clients} clients, median of {len(rounds)} rounds; ratios to {variants[0]}"
    lines = [head, *(_line(variants[0], name, rounds) for name in variants)]
    return "\n".join([*lines, *(_verdict(variants[0], goal, rounds) for goal in goals)])


def _verdict(base: str, goal: Goal, rounds: Sequence[Round]) -> str:
    ratio = median(_ratios(base, goal.variant, goal.figure, rounds))
    is_rate = goal.figure == "rate"
    is_met = ratio >= goal.limit if is_rate else ratio <= goal.limit
    what = "requests/s at least" if is_rate else "CPU a request at most"
    return (
        f"  goal: {goal.variant}, {what} {goal.limit:.2f} x: {ratio:.3f} x, {'met' if is_met else 'MISSED'}"
    )


def _ratios(base: str, name: str, figure: str, rounds: Sequence[Round]) -> list[float]:
    return sorted(one[name][figure] / one[base][figure] for one in rounds)


def _line(base: str, name: str, rounds: Sequence[Round]) -> str:
    figures = ("rate", "cpu_us", "gateway", "p99_ms")
    rate, cpu_us, gateway_us, p99_ms = (median(one[name][figure] for one in rounds) for figure in figures)
    rates, cpus = (_ratios(base, name, figure, rounds) for figure in ("rate", "cpu_us"))
    return (
        f"  {name:<10} {rate:7.0f} requests/s ({median(rates):.3f} x, {rates[0]:.3f} to {rates[-1]:.3f})"
        f"  {cpu_us:6.0f} µs a request, gateway {gateway_us:4.0f}"
        f" ({median(cpus):.3f} x, {cpus[0]:.3f} to {cpus[-1]:.3f})  p99 {p99_ms:.1f} ms"
    )
