"""What a power cut leaves, as the chaos run makes it: the files of a real server, cut to what was flushed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.chaos.disk import environment, is_possible
from tests.chaos.power import Disk
from tests.chaos.redis_server import ALWAYS, EVERYSEC, Loss, RedisServer
from tests.chaos.waiting import wait_for

WRITER = """
import os, sys
with open(sys.argv[1], "wb", buffering=0) as file:
    file.write(b"f" * 100)
    os.fsync(file.fileno())
    file.write(b"l" * 50)
"""


@pytest.mark.parametrize("kept", [0, 20])
def test_what_was_not_flushed_is_gone_but_for_what_reached_the_disk_by_chance(
    tmp_path: Path, kept: int
) -> None:
    path = tmp_path / "appendonly.aof"
    disk = Disk(tmp_path)
    command = disk.command([sys.executable, "-c", WRITER, str(path)])
    began_s = time.monotonic()

    subprocess.run(command, env=environment(), check=True)
    sizes: list[int] = []

    def keep(size: int) -> int:
        sizes.append(size)
        return kept

    gone_s = disk.lose_unflushed(path, keep)

    assert is_possible()
    assert path.read_bytes() == b"f" * 100 + b"l" * kept
    assert sizes == [50]
    assert began_s - 1 < gone_s < time.monotonic()


def test_file_that_was_never_flushed_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "appendonly.aof"
    path.write_bytes(b"never flushed")

    assert Disk(tmp_path).lose_unflushed(path) == 0.0
    assert path.read_bytes() == b""


def write_until(server: RedisServer, times: dict[int, tuple[float, float]], count: int) -> None:
    """Appends numbers to a list, and notes when each was sent and acknowledged."""
    while len(times) < count:
        sent_s = time.monotonic()
        server.client.rpush("numbers", len(times))
        times[len(times)] = (sent_s, time.monotonic())


@pytest.mark.parametrize("appendfsync", [ALWAYS, EVERYSEC])
def test_server_loses_only_what_it_does_not_promise_to_keep(tmp_path: Path, appendfsync: str) -> None:
    server = RedisServer(tmp_path, appendfsync)
    server.start()
    try:
        times: dict[int, tuple[float, float]] = {}
        write_until(server, times, 300)
        # From a flush on that began just now, none will end before the cut.
        with server.slow_disk(0.5) if appendfsync == EVERYSEC else server.slow_disk(0):
            write_until(server, times, 400)
            loss = server.lose_power()
        server.start()
        left = [int(number) for number in server.client.lrange("numbers", 0, -1)]
    finally:
        server.kill()

    assert left == list(range(len(left)))
    gone = [times[number] for number in range(len(left), 400)]
    if appendfsync == ALWAYS:
        assert (gone, loss) == ([], None)
    else:
        assert gone
        assert isinstance(loss, Loss)
        assert all(loss.covers(*one) for one in gone)


def test_server_that_goes_back_keeps_what_was_acknowledged_before_that(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, EVERYSEC)
    server.start()
    try:
        times: dict[int, tuple[float, float]] = {}
        with server.slow_disk(1.5):
            # While a flush goes on, the server holds its writes back.
            wait_for(lambda: _is_flushing_beside_writes(server, times), 30, "a flush goes on")
            write_until(server, times, len(times) + 100)
            loss = server.lose(0.1)
        left = [int(number) for number in server.client.lrange("numbers", 0, -1)]
    finally:
        server.kill()

    assert left == list(range(len(left)))
    gone = [times[number] for number in range(len(left), len(times))]
    assert all(loss.covers(*one) for one in gone)


def test_server_that_is_killed_keeps_all_that_it_has_acknowledged(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, EVERYSEC)
    server.start()
    try:
        times: dict[int, tuple[float, float]] = {}
        with server.slow_disk(1.0):
            wait_for(lambda: _is_flushing_beside_writes(server, times), 30, "a flush goes on")
            write_until(server, times, len(times) + 100)
        # The last slow flush goes on.
        server.kill()
        server.start()
        left = [int(number) for number in server.client.lrange("numbers", 0, -1)]
    finally:
        server.kill()

    assert left == list(range(len(times)))


def _is_flushing_beside_writes(server: RedisServer, times: dict[int, tuple[float, float]]) -> bool:
    write_until(server, times, len(times) + 10)
    return bool(server.client.info("persistence")["aof_pending_bio_fsync"])


def test_slow_disk_delays_those_who_wait_for_it(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, ALWAYS)
    server.start()
    try:
        with server.slow_disk(1.0):
            began_s = time.monotonic()
            server.client.set("a", 1)
            took_s = time.monotonic() - began_s
        wait_for(lambda: server.client.set("a", 2), 30, "it is as before")
    finally:
        server.kill()

    assert took_s >= 1.0


def test_flush_that_is_seen_late_began_when_the_server_had_last_written(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, EVERYSEC)
    server.start()
    try:
        times: dict[int, tuple[float, float]] = {}
        watcher = _watcher_of(tmp_path)
        os.kill(watcher, signal.SIGSTOP)
        wait_for(lambda: _is_flushing_beside_writes(server, times), 30, "a flush was ordered")
        # All these are acknowledged, and wait for the end of the flush that nobody has seen yet.
        until_s = time.monotonic() + 0.6
        while time.monotonic() < until_s:
            write_until(server, times, len(times) + 10)
        record = tmp_path / "flushes"
        noted = record.stat().st_size
        os.kill(watcher, signal.SIGCONT)
        wait_for(lambda: record.stat().st_size > noted, 30, "the flush is noted")
        loss = server.lose_power()
        server.start()
        left = server.client.llen("numbers")
    finally:
        server.kill()

    gone = [times[number] for number in range(left, len(times))]
    assert gone and isinstance(loss, Loss)
    assert all(loss.covers(*one) for one in gone)


def _watcher_of(folder: Path) -> int:
    """Returns the process that sees the flushes of the server in a folder."""
    record = str(folder / "flushes").encode()
    (found,) = [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if record in _read(path).split(b"\0")
    ]
    return found


def _read(path: Path) -> bytes:
    with contextlib.suppress(OSError):
        return path.read_bytes()
    return b""
