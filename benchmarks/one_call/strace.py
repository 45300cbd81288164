"""Processes of a running stack under strace, for a while."""

import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness import Served, part_name

PARTS = ("gateway", "worker", "redis")

ATTACH_TIMEOUT_S = 30.0
END_TIMEOUT_S = 30.0


def need_strace() -> None:
    """Stops where there is no strace.

    Raises:
        SystemExit: there is none.
    """
    if shutil.which("strace") is None:
        raise SystemExit("no strace: apt-get install strace")


def pids_of(athena: Served) -> dict[str, int]:
    """Returns the process of each part that a call passes."""
    found = {part_name(one.cmdline()): one.pid for one in athena.processes()}
    return {part: found[part] for part in PARTS}


@contextmanager
def attached(pids: Sequence[int], file: Path, *options: str) -> Iterator[None]:
    """Has one strace write into a file what all threads of processes do meanwhile.

    Raises:
        SystemExit: it cannot attach to one.
    """
    command = ["strace", "-f", "-qq", *options, "-o", str(file)]
    for pid in pids:
        command += ["-p", str(pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait_attached(tracer, pids)
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(END_TIMEOUT_S)


def _wait_attached(tracer: "subprocess.Popen[bytes]", pids: Sequence[int]) -> None:
    deadline_s = time.monotonic() + ATTACH_TIMEOUT_S
    while not all(_is_traced(pid) for pid in pids):
        if tracer.poll() is not None or time.monotonic() > deadline_s:
            raise SystemExit("strace cannot attach: it may have to run as root, see ptrace(2)")
        time.sleep(0.05)


def _is_traced(pid: int) -> bool:
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return all("\nTracerPid:\t0\n" not in status for status in statuses)
