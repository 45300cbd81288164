"""The embedded Redis on data folders that were there before."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from athena.devices.memory import memory_bytes
from athena.settings import from_env
from athena.store.address import socket_path
from athena.supervisor.allocator import PRELOAD, fault_of, server_environment
from athena.supervisor.embedded_redis import memory_limit, prepare_folders, server_command
from athena.supervisor.redis_server import find_server
from tests.conftest import wait_until

#: Written by Redis 6.2.14: a rewritten part and a tail of commands.
OLD_FILE = Path(__file__).parents[1] / "data" / "redis-6.2.14.aof"

pytestmark = pytest.mark.redis


@contextmanager
def served(folder: Path, limit_bytes: int = 0) -> Iterator[redis.Redis]:
    server = find_server(folder)
    environment = {**os.environ, **server_environment(server, os.environ, print)}
    process = subprocess.Popen(server_command(server, folder, limit_bytes), env=environment)
    try:
        with redis.Redis(unix_socket_path=str(socket_path(folder)), protocol=2) as client:
            wait_until(lambda: _answers(client), "Redis answers")
            yield client
    finally:
        process.terminate()
        process.wait(60)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as a unix socket needs it."""
    path = Path(tempfile.mkdtemp(prefix="athena-test-"))
    prepare_folders(path)
    yield path
    shutil.rmtree(path)


def test_bundled_server_takes_its_memory_from_mimalloc(folder: Path) -> None:
    # A small system may lack what that library needs.
    is_preloaded = PRELOAD in server_environment(find_server(folder), {}, print)
    with served(folder) as client:
        maps = Path(f"/proc/{client.info('server')['process_id']}/maps").read_text()

        assert is_preloaded == ("libmimalloc.so" in maps)


def test_library_that_needs_one_that_is_not_there_ends_a_program(tmp_path: Path) -> None:
    needed, library = tmp_path / "libneeded.so", tmp_path / "libpreloaded.so"
    for output, others in ((needed, ()), (library, (needed,))):
        command = ["cc", "-shared", "-Wl,--no-as-needed", "-x", "c", "/dev/null", "-x", "none", *others]
        subprocess.run([*command, "-o", output], check=True)
    environ = {PRELOAD: str(library)}
    assert fault_of(find_server().path, environ) == ""

    needed.unlink()
    assert "libneeded.so" in fault_of(find_server().path, environ)


def test_server_starts_without_a_library_that_cannot_be_loaded(folder: Path) -> None:
    # A file that is there, and is no library.
    bad = folder / "libbad.so"
    bad.write_text("")
    server = find_server(folder)
    environment = {**os.environ, PRELOAD: str(bad)}
    process = subprocess.Popen(server_command(server, folder), env=environment, stderr=subprocess.DEVNULL)
    try:
        with redis.Redis(unix_socket_path=str(socket_path(folder)), protocol=2) as client:
            wait_until(lambda: _answers(client), "Redis answers")
    finally:
        process.terminate()
        process.wait(60)


def test_it_refuses_writes_at_its_memory_limit_and_forgets_nothing(folder: Path) -> None:
    with served(folder, 10_000_000) as client:
        with pytest.raises(redis.RedisError, match=r"OOM|maxmemory"):
            for number in range(20):
                client.set(f"job:{number}", bytes(1_000_000))

        assert 5 < client.dbsize() < 12
        assert client.strlen("job:0") == 1_000_000
        memory = client.info("memory")
        assert (memory["maxmemory"], memory["maxmemory_policy"]) == (10_000_000, "noeviction")


@pytest.mark.parametrize(("setting", "limit_bytes"), [("123456789", 123456789), ("0", memory_bytes() // 3)])
def test_its_limit_is_a_setting_or_a_part_of_the_memory(setting: str, limit_bytes: int) -> None:
    assert memory_limit(from_env({"ATHENA_REDIS_MEMORY_BYTES": setting})) == limit_bytes


def test_the_file_of_redis_6_2_is_read_and_goes_on(folder: Path) -> None:
    shutil.copy(OLD_FILE, folder / "appendonly.aof")
    with served(folder) as client:
        assert client.lrange("queue", 0, -1) == [b"zero", b"one", b"two"]
        assert client.hgetall("record") == {b"state": b"queued", b"attempts": b"1"}
        assert client.zrange("deadlines", 0, -1, withscores=True) == [(b"job", 1.5)]
        assert client.smembers("set") == {b"a", b"b"}
        assert client.xrange("stream") == [(b"1-1", {b"a": b"b"})]
        assert client.get("payload") == bytes(range(256))
        assert client.get("counter") == b"8"
        assert 0 < client.ttl("result") <= 10**10
        client.rpush("queue", "three")
    with served(folder) as client:
        assert client.lrange("queue", 0, -1) == [b"zero", b"one", b"two", b"three"]
