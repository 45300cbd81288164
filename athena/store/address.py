"""Where Redis is: a URL as one value, checked before anybody connects.

| URL | what |
|---|---|
| `redis://[user:password@]host[:port][/database]` | one server |
| `rediss://…` | the same over TLS |
| `unix://[user:password@]/path[?db=database]` | one server on this machine |
| `sentinel://[user:password@]host[:port],…/<master name>[/database]` | whichever server the sentinels name |
"""

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import SplitResult, quote, unquote

from athena.errors import ConfigError
from athena.settings import Settings

#: Where the URL comes from, for messages.
PLACE = "the URL of Redis (--redis, ATHENA_REDIS_URL)"

PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379, "unix": 0}

#: A unix socket's path may have 107 bytes on Linux.
MAX_SOCKET_PATH = 100

_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]]+)(?::(\d{1,5}))?")

_URL = re.compile(r"(?:([^:/?#]+):)?(?://([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?", re.DOTALL)


@dataclass(frozen=True)
class RedisTls:
    """Files for TLS, each "" for none.

    Attributes:
        ca_file: certificates of authorities that are trusted beside those of the system.
        cert_file: this side's own certificate, for servers that ask for one.
        key_file: its key.
    """

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""


@dataclass(frozen=True)
class RedisAddress:
    """Where Redis is and how one gets in.

    Attributes:
        hosts: host and port of the server, or of each sentinel; none for a socket.
        path: the socket, "" without one.
        master_name: what the sentinels call the server, "" without sentinels.
        sentinel_password: the password of the sentinels themselves.
    """

    scheme: str
    hosts: tuple[tuple[str, int], ...] = ()
    path: str = ""
    database: int = 0
    username: str = ""
    password: str = ""
    master_name: str = ""
    sentinel_password: str = ""
    tls: RedisTls = RedisTls()

    def __repr__(self) -> str:
        return f"RedisAddress({self.shown()!r})"

    @property
    def shown_hosts(self) -> str:
        """The hosts as in a URL."""
        return ",".join(f"{bracketed(host)}:{port}" for host, port in self.hosts)

    def shown(self) -> str:
        """Returns the URL without the password."""
        secret = ":***" if self.password else ""
        login = f"{quote(self.username)}{secret}@" if self.username or secret else ""
        start = f"{self.scheme}://{login}"
        if self.scheme == "unix":
            return f"{start}{quote(os.fsencode(self.path))}" + (
                f"?db={self.database}" if self.database else ""
            )
        names = f"/{self.master_name}" if self.master_name else ""
        return f"{start}{self.shown_hosts}{names}/{self.database}"


def bracketed(host: str) -> str:
    """Returns a host as URLs write it."""
    return f"[{host}]" if ":" in host else host


def address_of(target: RedisAddress | str) -> RedisAddress:
    """Returns the address that a URL means, or the address itself.

    Raises:
        ConfigError: the URL cannot be used.
    """
    return target if isinstance(target, RedisAddress) else parse_address(target)


def parse_address(url: str, tls: RedisTls | None = None, sentinel_password: str = "") -> RedisAddress:
    """Reads a URL.

    Raises:
        ConfigError: it cannot be used; the message says what to write, and does not show the password.
    """
    parts = _split(url)
    if parts.scheme not in PORTS:
        _refuse("must start with redis://, rediss://, unix:// or sentinel://")
    if parts.fragment:
        _refuse("may not have a #: write the one of a password as %23")
    tls = tls or RedisTls()
    if any((tls.ca_file, tls.cert_file, tls.key_file)) and parts.scheme != "rediss":
        raise ConfigError(
            "ATHENA_REDIS_CA_FILE, ATHENA_REDIS_CERT_FILE and ATHENA_REDIS_KEY_FILE are for rediss:// only; "
            f"{PLACE} starts with {parts.scheme}://"
        )
    if tls.key_file and not tls.cert_file:
        raise ConfigError("ATHENA_REDIS_KEY_FILE needs the certificate: set ATHENA_REDIS_CERT_FILE too")
    # At the last @: people leave the one in their password as it is.
    login, _, hosts = parts.netloc.rpartition("@")
    username, _, password = login.partition(":")
    read = {"unix": _socket, "sentinel": _sentinels}.get(parts.scheme, _server)
    return RedisAddress(
        scheme=parts.scheme,
        username=unquote(username),
        password=unquote(password),
        sentinel_password=sentinel_password,
        tls=tls,
        **read(parts, hosts),
    )


def _split(url: str) -> SplitResult:
    """Returns the parts of a URL, by the expression of RFC 3986, appendix B.

    `urlsplit` of newer Pythons refuses lists of hosts with an IPv6 address among them.
    """
    match = _URL.fullmatch(url)
    assert match is not None
    scheme, netloc, path, query, fragment = (part or "" for part in match.groups())
    return SplitResult(scheme.lower(), netloc, path, query, fragment)


def _server(parts: SplitResult, hosts: str) -> dict[str, Any]:
    _refuse_query(parts)
    if "," in hosts:
        _refuse("names several hosts: only sentinel:// does")
    return {"hosts": _hosts(parts.scheme, hosts), "database": _database(parts.path.strip("/"))}


def _sentinels(parts: SplitResult, hosts: str) -> dict[str, Any]:
    _refuse_query(parts)
    name, _, database = parts.path.strip("/").partition("/")
    if not name:
        _refuse("names no master: write sentinel://host1:26379,host2:26379/<master name>")
    return {
        "hosts": _hosts(parts.scheme, hosts),
        "master_name": unquote(name),
        "database": _database(database),
    }


def _socket(parts: SplitResult, hosts: str) -> dict[str, Any]:
    if parts.query and not re.fullmatch(r"db=\d+", parts.query):
        _refuse_query(parts)
    if hosts or not parts.path.strip("/"):
        _refuse("names no socket: write unix:///path/to/redis.sock")
    # Paths are bytes; those that are no UTF-8 stay what they are.
    return {
        "path": unquote(parts.path, errors="surrogateescape"),
        "database": _database(parts.query.removeprefix("db=")),
    }


def _hosts(scheme: str, text: str) -> tuple[tuple[str, int], ...]:
    found = []
    for item in text.split(","):
        match = _HOST.fullmatch(item)
        port = int(match[2] or PORTS[scheme]) if match else 0
        if not match or not 0 < port < 65536:
            _refuse(
                "names no host, or a port that is none: write host:port, and the characters @ : / ? # [ ] of "
                "a password as %40 and so on"
            )
        found.append((unquote(match[1].strip("[]")), port))
    return tuple(found)


def _database(text: str) -> int:
    if not re.fullmatch(r"\d{0,9}", text):
        _refuse("ends with a database that is not a number: write /0")
    return int(text or 0)


def _refuse_query(parts: SplitResult) -> None:
    if parts.query:
        _refuse(
            "may not have a query: write redis://:password@host/database, unix:///path or unix:///path?db=1"
        )


def _refuse(what: str) -> NoReturn:
    raise ConfigError(f"{PLACE} {what}")


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
