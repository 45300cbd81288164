"""The Redis that chaos happens to: killed, frozen, full, refusing, and back at an older state."""

import contextlib
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import redis

from athena.supervisor.redis_server import find_server
from tests.chaos.clock import Clock, find_faketime
from tests.chaos.disk import environment, is_possible
from tests.chaos.power import Disk, Keep, nothing
from tests.chaos.waiting import START_TIMEOUT_S, wait_for
from tests.ports import free_port

_PROBE = "chaos:probe"

EVERYSEC, ALWAYS = "everysec", "always"


@dataclass(frozen=True)
class Loss:
    """A time whose writes are gone, though they were acknowledged; on the monotonic clock."""

    from_s: float
    until_s: float

    def covers(self, sent_s: float, heard_s: float) -> bool:
        """Whether what was written between a request and its answer may be gone."""
        return sent_s <= self.until_s and heard_s >= self.from_s


class RedisServer:
    """A Redis with an append-only file, which can be killed and started again."""

    def __init__(self, folder: Path, appendfsync: str = EVERYSEC) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}"
        self._folder = folder
        self._appendfsync = appendfsync
        library = find_faketime()
        #: None where this machine cannot do it.
        self.disk = Disk(folder) if is_possible() else None
        self.clock = Clock(folder, library) if library else None
        options = {
            "port": str(self.port),
            "dir": str(folder),
            "appendonly": "yes",
            "appendfsync": appendfsync,
            "save": "",
            "maxmemory-policy": "noeviction",
            "logfile": str(folder / "redis.log"),
        }
        self._command = [str(find_server().path)]
        for name, value in options.items():
            self._command += [f"--{name}", value]
        self.client = redis.Redis.from_url(self.url, protocol=2, socket_timeout=5)
        #: Whether a fault goes on, from its beginning until the server serves as it should.
        self.is_broken = False
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Starts it and waits until it answers."""
        command = self._command
        for part in (self.clock, self.disk):
            command = part.command(command) if part else command
        # Python ignores SIGXFSZ, and so must a server whose disk is full.
        self.process = subprocess.Popen(command, env=environment(), restore_signals=False)
        wait_for(self.answers, START_TIMEOUT_S, "Redis answers")
        self.is_broken = False

    def answers(self) -> bool:
        """Whether it is there; not while it reads its file."""
        try:
            return bool(self.client.ping())
        except (redis.RedisError, OSError):
            return False

    def kill(self) -> None:
        """Ends it without a word, once its file has what it has acknowledged.

        Beside a flush it holds writes back, for 2 s at most: nobody would know what a kill loses then.
        """
        # It may be gone already.
        with contextlib.suppress(redis.RedisError, OSError):
            self._write_out()
        self._end()

    def _end(self) -> None:
        self.is_broken = True
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ends it in order."""
        self.is_broken = True
        self.process.terminate()
        self.process.wait()

    def cut(self) -> None:
        """Closes the connections of all others."""
        for kind in ("normal", "pubsub"):
            self.client.client_kill_filter(_type=kind, skipme=True)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Lets it do nothing: connections stay, and nothing is answered."""
        self.process.send_signal(signal.SIGSTOP)
        with self._mended(lambda: self.process.send_signal(signal.SIGCONT)):
            yield

    @contextlib.contextmanager
    def without_replicas(self) -> Iterator[None]:
        """Lets it answer questions and refuse writes, as a master does that has lost its replicas."""
        self.client.config_set("min-replicas-to-write", 1)
        with self._mended(lambda: self.client.config_set("min-replicas-to-write", 0)):
            yield

    @contextlib.contextmanager
    def full(self) -> Iterator[None]:
        """Fills its disk: the file may not grow. It answers questions and refuses writes.

        With `appendfsync always` it would end instead. What it has acknowledged before it saw that the disk
        is full is written when there is room again.
        """
        self.client.config_set("appendfsync", "everysec")
        _, hard = resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (self._file().stat().st_size, hard))

        def empty() -> None:
            resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (hard, hard))
            wait_for(self.takes_writes, START_TIMEOUT_S, "Redis takes writes")
            self.client.config_set("appendfsync", self._appendfsync)

        with self._mended(empty):
            wait_for(lambda: not self.takes_writes(), START_TIMEOUT_S, "Redis refuses writes")
            yield

    @contextlib.contextmanager
    def _mended(self, mend: Callable[[], object]) -> Iterator[None]:
        """Counts as broken for the time of a block, and is mended after it."""
        self.is_broken = True
        try:
            yield
        finally:
            mend()
            self.is_broken = False

    @contextlib.contextmanager
    def slow_disk(self, seconds: float) -> Iterator[None]:
        """Lets each flush take so much longer."""
        assert self.disk is not None
        with self._mended(lambda: None), self.disk.slow(seconds):
            yield

    def takes_writes(self) -> bool:
        """Whether it takes writes."""
        try:
            return bool(self.client.set(_PROBE, 1, px=1))
        except redis.RedisError:
            return False

    def lose_power(self, keep: Keep = nothing) -> Loss | None:
        """Ends it as when its machine loses power; returns what is gone, though it was acknowledged.

        Args:
            keep: how many of the bytes that were not flushed are there all the same.
        """
        assert self.disk is not None
        self._end()
        from_s = self.disk.lose_unflushed(self._file(), keep)
        # Each write was flushed before it was acknowledged.
        return None if self._appendfsync == ALWAYS else Loss(from_s, time.monotonic())

    def lose(self, seconds: float) -> Loss:
        """Kills it, and starts it with the state that it had some seconds before."""
        self._leave_file_alone()
        from_s = time.monotonic()
        self._write_out()
        file = self._file()
        size = file.stat().st_size
        time.sleep(seconds)
        self._end()
        assert self._file() == file
        with file.open("rb+") as end:
            end.truncate(size)
        until_s = time.monotonic()
        self.start()
        return Loss(from_s, until_s)

    def _write_out(self) -> None:
        """Waits until the file has all that was acknowledged before; beside a flush, writes are held back."""
        wait_for(
            lambda: not self.client.info("persistence")["aof_pending_bio_fsync"],
            START_TIMEOUT_S,
            "no flush goes on",
        )
        # The file is written between two turns of the server's loop, of which this is the next.
        self.client.ping()

    def _leave_file_alone(self) -> None:
        """Waits for the end of a rewrite, and lets none begin; the next start allows them again."""
        self.client.config_set("auto-aof-rewrite-percentage", 0)
        rewriting = ("aof_rewrite_in_progress", "aof_rewrite_scheduled")

        def is_calm() -> bool:
            info = self.client.info("persistence")
            return not any(info[name] for name in rewriting)

        wait_for(is_calm, START_TIMEOUT_S, "the file is not being rewritten")

    def _file(self) -> Path:
        """Returns the file that it appends to."""
        several = self._folder.glob("appendonlydir/*.incr.aof")
        return max(
            several, key=lambda path: int(path.name.split(".")[-3]), default=self._folder / "appendonly.aof"
        )
