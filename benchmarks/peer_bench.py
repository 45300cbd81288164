"""Athena beside the systems that do the same: `python -m benchmarks.peer_bench`, or `make bench-peers`.

Every contestant does the same work on the same requests, in the same run: each round measures all of them one
after the other in an order that is drawn anew. What is measured goes to docs/benchmarks as JSON; `report.py`
makes the tables of docs/performance.md and the plots of it.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.autogroup import shared_alike
from benchmarks.contestants import PEERS, peer_python
from benchmarks.ocr_race import race_ocr
from benchmarks.open_race import race_open
from benchmarks.report import sheet, write_report
from benchmarks.results import FOLDER, Result, about_run, save
from benchmarks.scenarios import (
    Options,
    race_batch,
    race_classifier,
    race_noop,
    race_pictures,
    race_sweep,
)

RACES: dict[str, Callable[[Options], Result]] = {
    "noop": race_noop,
    "batch": race_batch,
    "ocr": race_ocr,
    "classifier": race_classifier,
    "pictures": race_pictures,
    "sweep": race_sweep,
    "openloop": race_open,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the scenarios that are asked for, and writes what they showed."""
    command = list(sys.argv[1:] if arguments is None else arguments)
    chosen = parse(command)
    options = Options(chosen.rounds, chosen.seconds, tuple(chosen.peers), chosen.seed, say)
    for name in chosen.peers:
        peer_python(name)
    signal.signal(signal.SIGTERM, interrupt)
    try:
        run(chosen, options, command)
    except KeyboardInterrupt:
        raise SystemExit("interrupted; all servers are stopped") from None
    if chosen.out == FOLDER:
        write_report()


def run(chosen: argparse.Namespace, options: Options, command: Sequence[str]) -> None:
    """Runs the scenarios one after the other; what one has measured is kept if the next one fails."""
    began_s = time.monotonic()
    for name in chosen.only:
        say(f"{name}: {(RACES[name].__doc__ or '').strip()}")
        with shared_alike():
            result = RACES[name](options)
            typed = "make bench-peers" + (f' ARGS="{" ".join(command)}"' if command else "")
            result.about = about_run(typed, chosen.rounds, chosen.seconds)
        path = save(result, chosen.out)
        print(sheet(result), flush=True)
        say(f"{name}: written to {path}, {time.monotonic() - began_s:.0f} s so far")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=names_of(RACES), default=list(RACES), help="scenarios, by commas")
    parser.add_argument("--peers", type=names_of(PEERS), default=list(PEERS), help="peers, by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement")
    parser.add_argument("--seed", type=int, default=7, help="of the order of the contestants")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder for the JSON files")
    return parser.parse_args(arguments)


def names_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    """Returns a reader of names that are joined by commas."""

    def read(text: str) -> list[str]:
        names = text.split(",") if text else []
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(known)}")
        return names

    return read


def interrupt(number: int, frame: object) -> None:
    """Ends the run as Ctrl-C does, so that whatever was started is stopped."""
    raise KeyboardInterrupt


def say(text: str) -> None:
    """Tells how far the run is."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
