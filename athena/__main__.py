"""The command `athena`, also as `python -m athena`."""

import argparse
import os
import sys

from athena.errors import AthenaError
from athena.runtime.name_lookup import limit_lookups


def main() -> int:
    """Runs the command; returns the exit status."""
    # Loading all commands takes ten times as long as a probe, and containers are probed every few seconds.
    if sys.argv[1:2] == ["probe"]:
        return _probe(sys.argv[2:])
    limit_lookups()
    from athena.cli import main as run_command

    return run_command()


def _probe(arguments: list[str]) -> int:
    from athena import probe

    parser = argparse.ArgumentParser(prog="athena probe", description=probe.DESCRIPTION)
    probe.add_options(parser)
    try:
        return probe.probe(parser.parse_args(arguments))
    except AthenaError as error:
        print(f"athena: {error.message}", file=sys.stderr)
        return os.EX_CONFIG


if __name__ == "__main__":
    sys.exit(main())
