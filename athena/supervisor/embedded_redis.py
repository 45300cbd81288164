"""The Redis that `athena serve` brings along: a real server process, durable, on a unix socket of its own."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from athena.devices.memory import memory_bytes
from athena.settings import Settings
from athena.store.address import RedisAddress, RedisTls, parse_address
from athena.supervisor.data_folder import check_own, open_folder
from athena.supervisor.redis_server import RedisServer

#: A unix socket's path may have 107 bytes on Linux.
MAX_SOCKET_PATH = 100

LOG_NAME = "redis.log"

#: The embedded Redis gets one of so many parts of the memory.
MEMORY_PART = 3

#: Keeps a second `athena serve` out.
LOCK_NAME = "lock"


def redis_url_of(settings: Settings) -> str:
    """Returns the Redis that the settings mean: the given one, or the embedded one of the data folder."""
    return settings.redis_url or f"unix://{quote(os.fsencode(socket_path(settings.data_dir)))}"


def redis_address_of(settings: Settings) -> RedisAddress:
    """Returns the address of the Redis that the settings mean.

    Raises:
        ConfigError: it cannot be used.
    """
    if not settings.redis_url:
        return RedisAddress("unix", path=str(socket_path(settings.data_dir)))
    tls = RedisTls(settings.redis_ca_file, settings.redis_cert_file, settings.redis_key_file)
    return parse_address(settings.redis_url, tls, settings.sentinel_password)


def socket_path(data_dir: Path) -> Path:
    """Returns where the embedded Redis of a data folder listens."""
    path = data_dir / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        return path
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"athena-{os.getuid()}-{digest}" / "redis.sock"


def memory_limit(settings: Settings) -> int:
    """Returns how many bytes the embedded Redis may use; 0 where nobody knows how many there are.

    Beside it there must be room for the workers, and for what changes while its file is rewritten.
    """
    return settings.redis_memory_bytes or memory_bytes() // MEMORY_PART


def server_command(server: RedisServer, data_dir: Path, limit_bytes: int = 0) -> list[str]:
    """Returns the command line of the embedded Redis; `limit_bytes` 0 is no limit of its memory."""
    options = {
        "port": "0",
        "unixsocket": str(socket_path(data_dir)),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "appendonly": "yes",
        "appendfsync": "everysec",
        # Jobs come and go: a rewrite at 64 MB, the default, comes every few seconds and shortens little.
        "auto-aof-rewrite-min-size": "512mb",
        # Of what a rewrite writes, results are base64 and pictures are compressed already.
        "rdbcompression": "no",
        "save": "",
        "maxmemory": str(limit_bytes),
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": str(data_dir / LOG_NAME),
        # Many gateways' replies may queue up for a moment; the default closes a slow reader at 32 MB.
        "client-output-buffer-limit": "pubsub 256mb 64mb 60",
    }
    command = [str(server.path)]
    for name, value in options.items():
        command += [f"--{name}", *(value.split(" ") if name.startswith("client") else [value])]
    return command


def prepare_folders(data_dir: Path) -> None:
    """Makes the data folder and the socket's folder, closed to other users.

    Raises:
        ConfigError: one cannot be made, or closed.
    """
    open_folder(data_dir, LOCK_NAME)
    folder = socket_path(data_dir).parent
    if folder != data_dir:
        open_folder(folder, "redis.sock")
        check_own(folder)
