"""Attacks a gateway, one kind after the other, while a second client calls it all the time.

For each: how long the second client waited, and how much memory the gateway took. Ends with status 1 where
its p99 reaches 250 ms, a call of it failed, or the gateway took 100 MB more; and where p99 under a flood, of
which nothing is large but its number, is over twice that of the quiet before. The attackers are processes of
their own, two at a time, and leave their core to the gateway, as those of other machines would; everything is
bounded in time and goes to this machine alone.
"""

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from pathlib import Path

import psutil

from benchmarks.figures import percentile
from tests.e2e.conftest import ATHENA, ECHO, ROOT, Stack, serving, wait_until
from tests.hostile.attacks import ATTACKS, BODY, FLOODS, Target, large

ATTACKERS = 2
PAUSE_S = 0.02
SAMPLE_S = 0.1

P99_LIMIT_MS = 250.0
GROWTH_LIMIT_MB = 100.0

#: What a flood may do to p99.
FLOOD_FACTOR = 2.0

#: What attackers add to their niceness.
NICE = 10

KEYS = {"ATHENA_ACCESS": "keys", "ATHENA_SEAL_KEY": "a seal of these attacks, not secret"}


@dataclass(frozen=True)
class Figures:
    """What an attack did.

    Attributes:
        sent: exchanges of the attackers.
        calls: of the second client.
        failed: calls that were not answered with 200.
        growth_mb: the gateway's memory at most, over what it had before.
    """

    attack: str
    sent: int
    calls: int
    failed: int
    p50_ms: float
    p99_ms: float
    growth_mb: float

    def is_harmless(self, quiet: "Figures") -> bool:
        """Whether the limits were kept."""
        limit_ms = FLOOD_FACTOR * quiet.p99_ms if self.attack in FLOODS else P99_LIMIT_MS
        return not self.failed and self.p99_ms < limit_ms and self.growth_mb < GROWTH_LIMIT_MB


def main(arguments: Sequence[str] | None = None) -> int:
    """Attacks and prints a table; returns the status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=30, help="length of each attack")
    parser.add_argument("--only", help="a part of an attack's name")
    parser.add_argument("--keys", action="store_true", help="the gateway asks for keys")
    parser.add_argument("--json", action="store_true", help="print JSON")
    chosen = parser.parse_args(arguments)
    names = [name for name in ATTACKS if chosen.only is None or chosen.only in name]
    with (
        tempfile.TemporaryDirectory(prefix="athena-hostile-") as folder,
        serving(Path(folder), ECHO, **(KEYS if chosen.keys else {})) as stack,
    ):
        token = _make_key(stack) if chosen.keys else ""
        found = [attack(stack, name, chosen.seconds, token) for name in ["", *names]]
    print(json.dumps(list(map(asdict, found)), indent=1) if chosen.json else table(found))
    return int(not all(one.is_harmless(found[0]) for one in found))


def _make_key(stack: Stack) -> str:
    """Makes the second client's key, and waits until the gateway knows it."""
    app_id = json.loads(BODY)["header"]["app_id"]
    command = [*ATHENA, "keys", "create", app_id, "--json", "--data", str(stack.data_dir)]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **KEYS}, capture_output=True, check=True)
    token: str = json.loads(done.stdout)["key"]
    headers = {"Authorization": f"Bearer {token}"}
    wait_until(lambda: stack.get("/v1/abilities", headers=headers).ok, 30, "the gateway knows the key")
    return token


def attack(stack: Stack, name: str, seconds: float, token: str = "") -> Figures:
    """Sends one kind for some seconds; an empty name attacks nobody. `token` is the second client's key."""
    print(f"  {name or 'nobody attacks'}", file=sys.stderr, flush=True)
    gateway = stack.child("api")
    # Before the attackers are forked, so that they lose no time with it.
    large()
    before = gateway.memory_info().rss
    sent = multiprocessing.Value("q", 0)
    caller = Caller(stack.port, token)
    attackers = [
        multiprocessing.Process(target=_attack_for, args=(name, stack.port, seconds, sent), daemon=True)
        for _ in range(ATTACKERS if name else 0)
    ]
    with running(attackers), caller:
        peak = max(_memory(gateway, seconds))
    latencies = caller.latencies_ms
    growth_mb = (peak - before) / 2**20
    p50_ms, p99_ms = percentile(latencies, 50), percentile(latencies, 99)
    return Figures(name, sent.value, len(latencies), caller.failed, p50_ms, p99_ms, growth_mb)


@contextmanager
def running(processes: Iterable[multiprocessing.Process]) -> Iterator[None]:
    """Runs processes, which end with the block."""
    started = list(processes)
    for one in started:
        one.start()
    try:
        yield
    finally:
        for one in started:
            one.kill()
            one.join()


def _attack_for(
    name: str, port: int, seconds: float, sent: "multiprocessing.sharedctypes.Synchronized[int]"
) -> None:
    os.nice(NICE)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    target, until_s = Target(port), time.monotonic() + seconds
    while time.monotonic() < until_s:
        try:
            ATTACKS[name](target)
        except OSError:
            # Refused, which is what it is for; not more often than a real stranger could.
            time.sleep(PAUSE_S)
        with sent.get_lock():
            sent.value += 1
    target.close()


def _memory(process: psutil.Process, seconds: float) -> Iterator[int]:
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        yield process.memory_info().rss
        time.sleep(SAMPLE_S)


class Caller:
    """Somebody who calls again and again over one connection, while the block lasts."""

    def __init__(self, port: int, token: str = "") -> None:
        self._port = port
        self._headers = {"Content-Type": "application/json"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._call_on)
        self.latencies_ms: list[float] = []
        self.failed = 0

    def __enter__(self) -> "Caller":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _call_on(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        while not self._is_over.wait(PAUSE_S):
            began_s = time.monotonic()
            try:
                connection.request("POST", "/echo", BODY, self._headers)
                answer = connection.getresponse()
                answer.read()
                self.failed += answer.status != 200
            except OSError:
                self.failed += 1
                connection.close()
            self.latencies_ms.append((time.monotonic() - began_s) * 1000)
        connection.close()


def table(found: Sequence[Figures]) -> str:
    """Returns the figures as Markdown."""
    lines = ["| attack | sent | calls | failed | p50 ms | p99 ms | to quiet | gateway's memory |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    quiet = found[0]
    for one in found:
        verdict = "" if one.is_harmless(quiet) else " **too much**"
        cells = [one.attack or "nobody attacks", str(one.sent), str(one.calls), str(one.failed)]
        cells += [f"{one.p50_ms:.1f}", f"{one.p99_ms:.1f}", f"{one.p99_ms / quiet.p99_ms:.1f} x{verdict}"]
        cells.append(f"+{one.growth_mb:.0f} MB")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
