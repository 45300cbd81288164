"""What logs and traces cost: `make bench-logs`.

Stacks of the present build run at the same time: as shipped, with the access log, with lines of JSON, with
both, and with one request of a hundred traced. Each round measures all in an order that is drawn anew, with
64 clients and requests of 1 KB that do nothing. What counts is the ratio of processor time within a round.
"""

from contextlib import ExitStack

from benchmarks.harness import served
from benchmarks.variants import measure, read_options, report, run_rounds

#: Variant -> its settings.
VARIANTS = {
    "plain": {},
    "json": {"ATHENA_LOG_FORMAT": "json"},
    "access": {"ATHENA_ACCESS_LOG": "on"},
    "access json": {"ATHENA_ACCESS_LOG": "on", "ATHENA_LOG_FORMAT": "json"},
    "traces 1 %": {"ATHENA_TRACE_RATIO": "0.01"},
}


def main() -> None:
    """Measures and prints a table, or JSON."""
    options = read_options(__doc__)
    with ExitStack() as stack:
        stacks = {
            name: stack.enter_context(served("echo", **settings)) for name, settings in VARIANTS.items()
        }

        def measure_one(name: str) -> dict[str, float]:
            return measure(stacks[name], "", options.clients, options.seconds)

        rounds = run_rounds(list(VARIANTS), measure_one, options.rounds)
    print(report(list(VARIANTS), rounds, options))


if __name__ == "__main__":
    main()
