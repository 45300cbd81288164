"""How far it goes: `python -m benchmarks.scale waiting|backlog|idle|shared`.

`waiting` lets many callers wait at one gateway, `backlog` fills a queue, `idle` looks at what is used while
nothing is sent, and `shared` puts several gateways and workers on one Redis. docs/scale.md has the figures.
"""

import argparse
import json

from benchmarks.scale import backlog, idle, shared, waiting


def main() -> None:
    """Measures and prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("waiting", "backlog", "idle", "shared"))
    parser.add_argument("--clients", type=int, default=10_000, help="of waiting")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="of backlog")
    parser.add_argument("--abilities", type=int, default=100, help="of idle")
    parser.add_argument("--seconds", type=float, default=15, help="of each look or round")
    options = parser.parse_args()
    measures = {
        "waiting": lambda: waiting.measure(options.clients, options.seconds),
        "backlog": lambda: backlog.measure(options.jobs, options.seconds),
        "idle": lambda: idle.measure(options.abilities, options.seconds),
        "shared": lambda: shared.measure(int(options.seconds)),
    }
    figures = measures[options.what]()
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
