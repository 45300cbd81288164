"""Serves models of packages and prints how each compares with a plain script: `python -m tests.models`."""

import argparse
import itertools
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.results import about
from tests.models.catalogue import NOTHING, SUBJECTS, Subject, install
from tests.models.sessions import SWAPPED, Costs, costs
from tests.models.sessions import table as table_of_sessions
from tests.models.table import MODELS, SESSIONS, Row, explained, table, write
from tests.models.trial import check_batches, compare, lay_out_all, served


def main() -> int:
    """Prints the table; returns 1 where an answer is another one."""
    parser = argparse.ArgumentParser(prog="make models", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="MODEL", help="some of the models; without, all")
    parser.add_argument("--calls", type=int, default=20, help="of each model, at least")
    parser.add_argument("--seconds", type=float, default=3.0, help="of CPU that the calls of each take")
    parser.add_argument("--sessions", action="store_true", help="only what their own sessions cost")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/models.md")
    options = parser.parse_args()
    known = {subject.name for subject in SUBJECTS}
    if wrong := set(options.names) - known:
        parser.error(f"no model is called {', '.join(sorted(wrong))}; there are {', '.join(sorted(known))}")
    chosen = [subject for subject in SUBJECTS if subject.name in options.names or not options.names]
    found: list[Row] = []
    if not options.sessions:
        install(chosen)
        found = list(_rows([NOTHING, *chosen], options.calls, options.seconds))
        _tell(table(found, explained(_machine())), MODELS, options.write)
    swapped: list[Costs] = []
    if options.sessions or not options.names:
        swapped = _swapped(options.seconds)
        _tell(table_of_sessions(swapped, f"{_machine()}; one thread, CPU of a call"), SESSIONS, options.write)
    is_right = all(row.result.is_equal for row in found) and all(one.is_equal for one in swapped)
    return 0 if is_right else 1


def _tell(text: str, mark: str, is_written: bool) -> None:
    print(f"{text}\n")
    if is_written:
        write(text, mark)


def _swapped(seconds: float) -> list[Costs]:
    install(SWAPPED)
    with tempfile.TemporaryDirectory() as name:
        return [costs(subject, Path(name), seconds) for subject in SWAPPED]


def _rows(subjects: Sequence[Subject], calls: int, seconds: float) -> Iterator[Row]:
    """Yields how each model compares; those of a group are served together, so that few workers lie idle."""
    for group, members in itertools.groupby(subjects, lambda subject: subject.group):
        together = list(members)
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            abilities = lay_out_all(together, folder)
            batches = [check_batches(subject, folder) for subject in together]
            with served(abilities, folder) as stack:
                for subject, found in zip(together, batches, strict=True):
                    print(f"{group}: {subject.name}", file=sys.stderr)
                    yield Row(subject, found, compare(stack, subject, folder, calls, seconds))


def _machine() -> str:
    found = about("python -m tests.models")
    machine = found["machine"]
    return (
        f"{found['date']}, commit {found['commit']}; {machine['cores']} cores of {machine['cpu']}, "
        f"{machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
