"""System calls of one call at one client: `make bench-calls`.

Counted by strace, over some hundred calls that come one after the other: unlike times, counts do not depend
on what else the machine does. What the processes do between calls is counted for as long, and taken off.
"""

import argparse
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.harness import Served, part_name, served
from benchmarks.noop import request_body

PARTS = ("gateway", "worker", "redis")

WARM_UP_CALLS = 200

#: A line of `strace -c`: share, seconds, microseconds a call, calls, perhaps errors, the name.
_LINE = re.compile(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$", re.MULTILINE)

#: How long strace has to attach to all threads of a process.
ATTACH_S = 2.0

#: Names of system calls -> how often.
Counts = dict[str, float]


def main(arguments: Sequence[str] | None = None) -> None:
    """Counts, and prints a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--python", default=sys.executable, help="that of the build to be counted")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if shutil.which("strace") is None:
        raise SystemExit("no strace: apt-get install strace")
    with served("echo", python=options.python) as athena:
        counts = count(athena, options.calls)
    print(json.dumps(counts, indent=1) if options.json else table(counts))


def count(athena: Served, calls: int) -> dict[str, Counts]:
    """Returns the system calls that a call costs in each part."""
    client = Client(athena.url)
    client.call(WARM_UP_CALLS)
    pids = {part_name(one.cmdline()): one.pid for one in athena.processes()}
    with traced({part: pids[part] for part in PARTS}) as busy:
        began_s = time.monotonic()
        client.call(calls)
        took_s = time.monotonic() - began_s
    with traced({part: pids[part] for part in PARTS}) as idle:
        time.sleep(took_s)
    return {part: per_call(busy[part], idle[part], calls) for part in PARTS}


class Client:
    """Calls one after the other, over one connection."""

    def __init__(self, url: str) -> None:
        address = urllib.parse.urlsplit(url)
        self._connection = HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._path = f"{address.path}/echo"
        self._body = request_body()

    def call(self, count: int) -> None:
        """Sends so many.

        Raises:
            SystemExit: one was not answered as it should be.
        """
        for _ in range(count):
            headers = {"Content-Type": "application/json"}
            self._connection.request("POST", self._path, self._body, headers)
            answer = self._connection.getresponse()
            said = answer.read()
            if answer.status != 200:
                raise SystemExit(f"{answer.status}: {said.decode(errors='replace')}")


@contextmanager
def traced(pids: dict[str, int]) -> Iterator[dict[str, Counts]]:
    """Counts what processes do meanwhile; what it yields is filled when the block ends."""
    counts: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory(prefix="athena-bench-") as folder:
        files = {part: Path(folder) / part for part in pids}
        tracers = [
            subprocess.Popen(
                ["strace", "-f", "-qq", "-c", "-o", str(files[part]), "-p", str(pid)],
                stderr=subprocess.DEVNULL,
            )
            for part, pid in pids.items()
        ]
        time.sleep(ATTACH_S)
        yield counts
        for tracer in tracers:
            tracer.send_signal(signal.SIGINT)
            tracer.wait(30)
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
