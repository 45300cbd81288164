"""`python -m tests.cluster`: what the chart does in a real API server, as a table."""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from tests.cluster.bursts import PICTURE
from tests.cluster.life import check_cases, check_command, check_life
from tests.cluster.plane import CANNOT_BE_HAD, Plane, Skipped, cluster, fetch_programs
from tests.cluster.scaling import check_scaling

Check = Callable[[Plane], Iterator[tuple[str, str]]]


def main() -> int:
    """Runs the checks; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    parser.add_argument(
        "part",
        nargs="?",
        choices=("kubernetes", "keda"),
        default="kubernetes",
        help="install, upgrade, roll back and drain (default); or what KEDA scales",
    )
    parser.add_argument("--draw", action="store_true", help="with keda: renew docs/scaling.svg")
    parser.add_argument("--run", metavar="COMMAND", help="instead: a shell command that installs the chart")
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path(), help="where that is run")
    parser.add_argument("--keep", metavar="DIR", type=Path, help="keep the logs of all programs here")
    options = parser.parse_args()
    try:
        programs = fetch_programs(*([options.part] if options.part == "keda" else []))
    except Skipped:
        return CANNOT_BE_HAD
    with tempfile.TemporaryDirectory(prefix="athena-cluster-") as name:
        folder = (options.keep or Path(name)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with cluster(folder, programs) as plane:
            for row in _rows(plane, options):
                _tell(options.part, *row)
    return 0


def _rows(plane: Plane, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    yield "API server of Kubernetes 1.36", f"ready after {plane.started_in_s:.0f} s"
    for check in _checks(options):
        yield from check(plane)
    memory = plane.memory_mb()
    yield "memory of all programs", f"{sum(memory.values()):.0f} MB: {_list(memory)}"


def _checks(options: argparse.Namespace) -> tuple[Check, ...]:
    if options.run:
        return (partial(check_command, options.run, options.folder),)
    if options.part == "keda":
        return (partial(check_scaling, PICTURE if options.draw else None),)
    return (check_cases, check_life)


def _tell(part: str, what: str, found: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what:<62} {found}", flush=True)
    if table := os.environ.get("TABLE"):
        with Path(table).open("a") as file:
            print(part, what, found, sep="\t", file=file)


def _list(memory: dict[str, float]) -> str:
    return ", ".join(f"{name} {mb:.0f}" for name, mb in memory.items())


if __name__ == "__main__":
    sys.exit(main())
