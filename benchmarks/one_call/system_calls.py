"""System calls of one call at one client: `make bench-calls`.

Counted by strace, over some hundred calls that come one after the other: unlike times, counts do not depend
on what else the machine does. What the processes do between calls is counted for as long, and taken off.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.harness import Served, served
from benchmarks.one_call.single_client import Client
from benchmarks.one_call.strace import PARTS, attached, need_strace, pids_of

WARM_UP_CALLS = 200

#: A line of `strace -c`: share, seconds, microseconds a call, calls, perhaps errors, the name.
_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)

#: Names of system calls -> how often.
Counts = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Counts, and prints a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--python", default=sys.executable, help="that of the build to be counted")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    need_strace()
    with served(ability_of(options.python), python=options.python) as athena:
        counts = count(athena, options.calls)
    print(json.dumps(counts, indent=1) if options.json else table(counts))


def ability_of(python: str) -> Path:
    """Returns `echo` of the build whose interpreter lies in .venv/bin: it knows its own ability.toml."""
    return Path(python).absolute().parents[2] / "abilities" / "echo"


def count(athena: Served, calls: int) -> dict[str, Counts]:
    """Returns the system calls that a call costs in each part."""
    client = Client(athena.url)
    client.call(WARM_UP_CALLS)
    pids = pids_of(athena)
    with traced(pids) as busy:
        began_s = time.monotonic()
        client.call(calls)
        took_s = time.monotonic() - began_s
    with traced(pids) as idle:
        time.sleep(took_s)
    return {part: per_call(busy[part], idle[part], calls) for part in PARTS}


@contextmanager
def traced(pids: dict[str, int]) -> Iterator[dict[str, Counts]]:
    """Counts what processes do meanwhile; what it yields is filled when the block ends."""
    counts: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder, ExitStack() as stack:
        files = {part: Path(folder) / part for part in pids}
        for part, pid in pids.items():
            stack.enter_context(attached([pid], files[part], "-c"))
        yield counts
        stack.close()
        for part, file in files.items():
            counts[part] = {name: float(number) for number, name in _LINE.findall(file.read_text())}
            counts[part].pop("total", None)


def per_call(busy: Counts, idle: Counts, calls: int) -> Counts:
    """Returns what one of so many calls has cost, the most frequent first."""
    rest = {name: (number - idle.get(name, 0)) / calls for name, number in busy.items()}
    return {name: round(number, 2) for name, number in sorted(rest.items(), key=lambda item: -item[1])}


def table(counts: dict[str, Counts]) -> str:
    """Returns the counts as Markdown."""
    lines = ["| process | a call | of these |", "| --- | ---: | --- |"]
    for part, of_part in counts.items():
        shown = ", ".join(f"{name} {number:.1f}" for name, number in of_part.items() if number >= 0.1)
        lines.append(f"| {part} | {sum(of_part.values()):.1f} | {shown} |")
    return "\n".join([*lines, f"| all | {sum(sum(one.values()) for one in counts.values()):.1f} | |"])


if __name__ == "__main__":
    main()
