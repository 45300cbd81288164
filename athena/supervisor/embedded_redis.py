"""The Redis that `athena serve` brings along: a real server process, durable, on a unix socket of its own."""

from pathlib import Path

from athena.devices.memory import memory_bytes
from athena.settings import Settings
from athena.store.address import socket_path
from athena.supervisor.data_folder import check_own, open_folder
from athena.supervisor.redis_server import RedisServer

LOG_NAME = "redis.log"

#: The embedded Redis gets one of so many parts of the memory.
MEMORY_PART = 3

#: Keeps a second `athena serve` out.
LOCK_NAME = "lock"


def memory_limit(settings: Settings) -> int:
    """Returns how many bytes the embedded Redis may use; 0 where nobody knows how many there are.

    Beside it there must be room for the workers, and for what changes while its file is rewritten.
    """
    return settings.redis_memory_bytes or memory_bytes() // MEMORY_PART


def server_command(server: RedisServer, data_dir: Path, limit_bytes: int = 0) -> list[str]:
    """Returns the command line of the embedded Redis; `limit_bytes` 0 is no limit of its memory."""
    options = {
        # It has no password: who may open the socket may do everything.
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
        # The append-only file holds all; a snapshot would write it once more, from a fork.
        "save": "",
        "maxmemory": str(limit_bytes),
        # Any other policy throws jobs away when memory is short.
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": str(data_dir / LOG_NAME),
        # Many gateways' replies may queue up for a moment; the default closes a slow reader at 32 MB.
        "client-output-buffer-limit": "pubsub 256mb 64mb 60",
    }
    command = [str(server.path)]
    for name, value in options.items():
        # Only this one takes several words; the name of a folder may hold spaces.
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
        # It lies in the system's temporary folder, where anybody may have made it before us.
        check_own(folder)
