"""Serves models of packages and prints how each compares with a plain script: `python -m tests.models`."""

import argparse
import tempfile
from pathlib import Path

from tests.models.catalogue import SUBJECTS, install
from tests.models.trial import CLIENTS, compare, served

#: What serving may cost beside a plain script.
MOST = 1.1


def main() -> int:
    """Prints the table; returns 1 where an answer is another one."""
    parser = argparse.ArgumentParser(prog="make models", description=__doc__)
    parser.add_argument("--calls", type=int, default=100, help="calls of each model")
    calls = parser.parse_args().calls
    install()
    with tempfile.TemporaryDirectory() as name, served(SUBJECTS, Path(name)) as stack:
        results = [compare(stack, subject, Path(name), calls) for subject in SUBJECTS]
    print(f"{calls} calls, {CLIENTS} clients; CPU a call in ms\n")
    print("| model | packages | equal | script | worker | ratio |\n| --- | --- | --- | --- | --- | --- |")
    for subject, found in zip(SUBJECTS, results, strict=True):
        ratio = found.worker_ms / found.script_ms
        packages = ", ".join(subject.requirements) or "rapidocr"
        print(
            f"| {found.name} | {packages} | {'yes' if found.is_equal else 'no'} | {found.script_ms:.1f} "
            f"| {found.worker_ms:.1f} | {ratio:.2f}{'' if ratio <= MOST else ' (!)'} |"
        )
    return 0 if all(found.is_equal for found in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
