"""Servers of the benchmark are started, watched and stopped with all their processes."""

import sys
import time
from collections.abc import Callable

import psutil
import pytest

from benchmarks.contestants import Contestant, Started

#: A server that starts a process which does not care for a polite request to end.
FAMILY = """
import signal, subprocess, sys, time
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
subprocess.Popen([sys.executable, "-c", child])
end = time.process_time() + {busy_s}
while time.process_time() < end:
    pass
time.sleep(300)
"""


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_a_server_ends_with_all_its_processes() -> None:
    with Started("test") as started:
        root = psutil.Process(started.run("server", [sys.executable, "-c", FAMILY.format(busy_s=0)], {}))
        wait_until(lambda: len(root.children()) == 1)
        family = [root, *root.children()]
        folder = started.folder

    assert not any(process.is_running() and process.status() != "zombie" for process in family)
    assert not folder.exists()


def test_an_interrupted_run_stops_its_servers() -> None:
    with pytest.raises(KeyboardInterrupt), Started("test") as started:
        root = psutil.Process(started.run("server", [sys.executable, "-c", FAMILY.format(busy_s=0)], {}))
        raise KeyboardInterrupt

    assert not root.is_running()


def test_a_server_that_does_not_start_says_why() -> None:
    with Started("test") as started, pytest.raises(SystemExit, match="no such model"):
        started.run("server", [sys.executable, "-c", "raise SystemExit('no such model')"], {})
        started.wait(lambda: False)


def test_processor_time_and_memory_are_those_of_the_whole_family() -> None:
    with Started("test") as started:
        pid = started.run("server", [sys.executable, "-c", FAMILY.format(busy_s=0.3)], {})
        contestant = Contestant("test", "", {"server": pid}, b"")
        wait_until(lambda: contestant.cpu_s()["server"] >= 0.3)
        wait_until(lambda: len(psutil.Process(pid).children()) == 1)

        assert contestant.memory_mb()["server"] > 1
        contestant.settle()
        assert contestant.cpu_s()["server"] < 2
