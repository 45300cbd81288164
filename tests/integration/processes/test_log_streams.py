"""Output of our processes into files and pipes whose readers stay, go, or were never there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

#: Without the variable that hides all of this on many machines.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}

OPENING = """
import ctypes, os, signal, subprocess, sys, threading, time
from athena.telemetry.log_streams import LogReaders, open_log_streams
open_log_streams()
"""


def run(code: str, **options: object) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-c", OPENING + code]
    return subprocess.run(command, env=ENVIRONMENT, timeout=60, **options)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def deserted() -> Iterator[int]:
    """The end of a pipe that nobody reads."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)


@pytest.mark.parametrize(
    "words",
    [
        "print('last words')",
        "print('last words', end='')",
        "sys.stdout.buffer.write(b'last words')",
        "print('last words', file=sys.stderr, end='')",
        "ctypes.CDLL(None).puts(b'last words')",
    ],
)
@pytest.mark.parametrize("death", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(1)"])
def test_last_words_are_there(tmp_path: Path, words: str, death: str) -> None:
    path = tmp_path / "log"
    with path.open("wb") as log:
        run(f"{words}\n{death}", stdout=log, stderr=log)

    assert path.read_text().strip() == "last words"


def test_large_output_is_whole() -> None:
    done = run("print('é' * 3_000_000)", stdout=subprocess.PIPE)

    assert done.stdout == ("é" * 3_000_000).encode() + b"\n"


def test_pipe_that_does_not_block_gets_everything() -> None:
    done = run("os.set_blocking(1, False)\nprint('x' * 3_000_000)", stdout=subprocess.PIPE)

    assert len(done.stdout) == 3_000_001


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_reader_that_is_gone_is_no_error(deserted: int, stream: str) -> None:
    code = f"print('a', file=sys.{stream})\nsys.{stream}.write('b')\nsys.{stream}.flush()"

    assert run(code, **{stream: deserted}).returncode == 0


def test_full_disk_is_no_error() -> None:
    with Path("/dev/full").open("wb") as full:
        assert run("print('a')", stdout=full, stderr=full).returncode == 0


def test_programs_started_later_do_not_die_of_a_reader_that_is_gone(deserted: int) -> None:
    code = """
LogReaders().watch()
deadline_s = time.monotonic() + 20
while os.readlink("/proc/self/fd/1") != os.devnull and time.monotonic() < deadline_s:
    time.sleep(0.01)
sys.exit(subprocess.run(["sh", "-c", "echo a; echo b"]).returncode)
"""
    assert run(code, stdout=deserted).returncode == 0


def test_readers_that_stay_are_left_alone() -> None:
    done = run("readers = LogReaders(); readers.look(); readers.look(); print('a')", stdout=subprocess.PIPE)

    assert done.stdout == b"a\n"


def test_number_of_a_stream_that_was_closed_may_be_another_files() -> None:
    code = """
readers = LogReaders()
os.close(1)
read, write = os.pipe()
readers.look()
os.write(write, b"kept")
sys.exit(os.read(read, 10) != b"kept")
"""
    assert run(code).returncode == 0


def test_closed_streams_lead_nowhere() -> None:
    code = """
import os, stat, sys
for fd in (0, 1, 2): os.close(fd)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1]])
"""
    inner = OPENING + "print('a'); sys.exit(os.pipe()[0] < 3 or not os.get_inheritable(1))"
    done = subprocess.run([sys.executable, "-c", code, inner], env=ENVIRONMENT, timeout=60)

    assert done.returncode == 0


def test_text_that_cannot_be_encoded_is_written_all_the_same() -> None:
    assert run(r"print('\ud800')", stdout=subprocess.PIPE).stdout == b"\\ud800\n"
