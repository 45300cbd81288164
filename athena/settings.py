"""All settings: one table, read once from the environment, bad values refuse to start.

Each setting is an environment variable `ATHENA_<NAME>`; `ATHENA_<NAME>_FILE` names a file that holds the
value, for secrets. docs/settings.md is generated from the table below.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from athena.devices.types import parse_aliases
from athena.errors import ConfigError

PREFIX = "ATHENA_"

#: What only gateways are to know; wrappers see the environment of their worker.
ADMIN_VARIABLES = (
    "ATHENA_ADMIN_TOKEN",
    "ATHENA_ADMIN_TOKEN_FILE",
    "ATHENA_SEAL_KEY",
    "ATHENA_SEAL_KEY_FILE",
)

#: Shorter tokens can be guessed; 16 characters of chance cannot.
MIN_TOKEN_CHARS = 16
MIN_SEAL_KEY_CHARS = 32

#: Values of `access` and `signatures`.
OPEN, KEYS = "open", "keys"
ANY_SIGNATURE, DIGEST_ONLY, NO_SIGNATURE = "any", "digest", "off"
ANY_TRANSPORT, TLS_ONLY = "any", "tls"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _text(raw: str) -> str:
    return raw


def _path(raw: str) -> Path:
    return Path(raw).expanduser().absolute()


def _file(raw: str) -> str:
    if not raw:
        return ""
    path = Path(raw).expanduser().absolute()
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read it: {error.strerror}") from None
    return str(path)


def _file_name(raw: str) -> str:
    """Returns the absolute name of a file that only the gateway has to be able to read."""
    return str(Path(raw).expanduser().absolute()) if raw else ""


def _positive_int(raw: str) -> int:
    value = int(raw)
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def _count(raw: str) -> int:
    value = int(raw)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def _port(raw: str) -> int:
    value = int(raw)
    if not 0 < value < 65536:
        raise ValueError("must be 1 to 65535")
    return value


def _optional_port(raw: str) -> int:
    return 0 if raw == "0" else _port(raw)


def _path_prefix(raw: str) -> str:
    """Returns a path without the slashes around it."""
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", raw):
        raise ValueError("must be a path, such as monitor/flower")
    return raw.strip("/")


def _seconds(raw: str) -> float:
    value = float(raw)
    # So that `nan` is refused too: it is neither above 0 nor below it.
    if not 0 < value < float("inf"):
        raise ValueError("must be above 0")
    return value


@dataclass(frozen=True)
class HostPattern:
    """A host that may be connected to: its name, or with `*.` all names below one.

    Attributes:
        port: the only allowed one; 0 for the scheme's own.
    """

    name: str
    port: int = 0

    def allows(self, host: str, port: int, default_port: int) -> bool:
        """Whether the pattern fits a host and a port."""
        host = host.lower().rstrip(".")
        # With its dot: `*.example.com` must not fit `badexample.com`.
        fits = host.endswith(self.name[1:]) if self.name.startswith("*.") else host == self.name
        return fits and port == (self.port or default_port)


#: Stands for all hosts, and all origins.
ANY_HOST = HostPattern("*")
ANY_ORIGIN = "*"


def _allowed_hosts(raw: str) -> tuple[HostPattern, ...]:
    names = [item.strip() for item in raw.split(",") if item.strip()]
    return tuple(ANY_HOST if name == ANY_HOST.name else _host(name) for name in names)


def _origins(raw: str) -> tuple[str, ...]:
    origins = tuple(item.strip().lower() for item in raw.split(",") if item.strip())
    for origin in origins:
        if origin != ANY_ORIGIN and not re.fullmatch(r"https?://[a-z0-9._-]+(:\d{1,5})?", origin):
            raise ValueError(
                f"{origin!r} is no origin, such as https://app.example.com or http://localhost:8080"
            )
    return origins


def _url_prefix(raw: str) -> str:
    if raw and not re.fullmatch(r"(https?://[A-Za-z0-9.:\[\]_-]+)?(/[A-Za-z0-9._~-]+)*", raw.rstrip("/")):
        raise ValueError("must be a path such as /athena, or a URL such as https://api.example.com/athena")
    return raw.rstrip("/")


def _hosts(raw: str) -> tuple[HostPattern, ...]:
    return tuple(_host(item.strip()) for item in raw.split(",") if item.strip())


def _host(text: str) -> HostPattern:
    found = re.fullmatch(r"((?:\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", text)
    if found is None:
        raise ValueError(f"{text!r} is no host, such as files.example.com, *.example.com or 10.0.0.7:9000")
    return HostPattern(found[1].lower().strip("[]"), int(found[2] or 0))


def _networks(raw: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(item.strip()) for item in raw.split(",") if item.strip())


def _log_format(raw: str) -> str:
    if raw.lower() not in ("text", "json"):
        raise ValueError("it is text or json")
    return raw.lower()


def _switch(raw: str) -> bool:
    if raw.lower() not in ("on", "off"):
        raise ValueError("it is on or off")
    return raw.lower() == "on"


def _log_level(raw: str) -> str:
    value = raw.upper()
    if value not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("must be debug, info, warning or error")
    return value


def _admin_token(raw: str) -> str:
    if raw and len(raw) < MIN_TOKEN_CHARS:
        raise ValueError(
            f"must have {MIN_TOKEN_CHARS} characters or more, such as `openssl rand -hex 16` gives"
        )
    return raw


def _seal_key(raw: str) -> str:
    if raw and len(raw) < MIN_SEAL_KEY_CHARS:
        raise ValueError(
            f"must have {MIN_SEAL_KEY_CHARS} characters or more, such as `openssl rand -base64 32` gives"
        )
    return raw


def _access(raw: str) -> str:
    if raw not in ("", OPEN, KEYS):
        raise ValueError(f"must be {OPEN} or {KEYS}")
    return raw


def _signatures(raw: str) -> str:
    if raw not in (ANY_SIGNATURE, DIGEST_ONLY, NO_SIGNATURE):
        raise ValueError(f"must be {ANY_SIGNATURE}, {DIGEST_ONLY} or {NO_SIGNATURE}")
    return raw


def _transport(raw: str) -> str:
    if raw not in (ANY_TRANSPORT, TLS_ONLY):
        raise ValueError(f"must be {ANY_TRANSPORT} or {TLS_ONLY}")
    return raw


def _pause(raw: str) -> float:
    value = float(raw)
    if not 0 <= value < float("inf"):
        raise ValueError("must not be negative")
    return value


def _setting(default: str, parser: Callable[[str], Any], text: str, secret: bool = False) -> Any:
    return field(metadata={"default": default, "parser": parser, "help": text, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """The settings of one process; `from_env` makes them, `setting_table` lists them."""

    redis_url: str = _setting(
        "",
        _text,
        "redis://, rediss://, unix:// or sentinel:// URL (docs/redis.md); empty: the embedded one",
        secret=True,
    )
    redis_ca_file: str = _setting(
        "", _file, "certificates of authorities that are trusted beside the system's, for rediss://"
    )
    redis_cert_file: str = _setting("", _file, "certificate that is shown to Redis, for rediss://")
    redis_key_file: str = _setting("", _file, "its key")
    sentinel_password: str = _setting(
        "", _text, "password of the sentinels; the one in the URL is that of Redis", secret=True
    )
    data_dir: Path = _setting(".athena", _path, "folder of the embedded Redis")
    redis_memory_bytes: int = _setting(
        "0",
        _count,
        "memory that the embedded Redis may use; near it new jobs get 503; 0: a third of what the machine, "
        "or its container, has",
    )
    host: str = _setting("127.0.0.1", _text, "address the gateway listens on")
    port: int = _setting("30889", _port, "port of the gateway")
    flower_port: int = _setting("5555", _optional_port, "port of Flower; 0: it is not started")
    flower_host: str = _setting(
        "127.0.0.1", _text, "address Flower listens on; it asks for no password by itself"
    )
    flower_url_prefix: str = _setting(
        "", _path_prefix, "path below which a proxy shows Flower, such as `flower`"
    )
    allowed_hosts: tuple[HostPattern, ...] = _setting(
        "",
        _allowed_hosts,
        "names that the gateway answers to, beside IP addresses and names without a dot, separated by "
        "commas: `api.example.com`, `*.example.com`; `*` for all; empty: none more where it listens on the "
        "loopback, all elsewhere",
    )
    allowed_origins: tuple[str, ...] = _setting(
        "",
        _origins,
        "web pages that may send requests through a browser, separated by commas: "
        "`https://app.example.com`; `*` for all; empty: none",
    )
    url_prefix: str = _setting(
        "",
        _url_prefix,
        "what a proxy puts before the gateway's paths, for `Location`, `urls` and OpenAPI's `servers`: "
        "`/athena`, `https://api.example.com`",
    )
    max_body_bytes: int = _setting(
        "67108864", _positive_int, "largest request body, whatever an ability allows"
    )
    max_held_bytes: int = _setting(
        "536870912",
        _positive_int,
        "bytes of requests that a gateway holds until they are queued; more get 429",
    )
    max_connections: int = _setting(
        "16384",
        _positive_int,
        "connections that a gateway takes, as far as the limit of open files allows; for more, those are "
        "closed that have been silent longest",
    )
    max_connections_per_address: int = _setting(
        "0",
        _count,
        "connections that one address may have, of IPv6 one /64; 0: a quarter of all, and this machine's own "
        "have no limit",
    )
    tls_cert_file: str = _setting(
        "",
        _file_name,
        "certificate that the gateway shows its callers: it speaks TLS then; PEM, with those that lead to "
        "its authority; read again when it changes",
    )
    tls_key_file: str = _setting("", _file_name, "its key, without a passphrase")
    trusted_proxies: tuple[Network, ...] = _setting(
        "",
        _networks,
        "addresses of proxies, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, separated by "
        "commas: `10.0.0.7`, `10.0.0.0/24`; empty: nobody's",
    )
    idle_s: float = _setting(
        "120",
        _seconds,
        "how long a connection may be silent between two requests; longer than proxies and clients keep it",
    )
    inline_payload_bytes: int = _setting(
        "16384", _count, "inputs up to this size ride in the queue message, larger ones beside it"
    )
    result_ttl_s: float = _setting("3600", _seconds, "how long an asynchronous job's result is kept")
    record_ttl_s: float = _setting("86400", _seconds, "how long an asynchronous job's record is kept")
    sync_ttl_s: float = _setting(
        "30",
        _seconds,
        "how long record and result of a job without request_id are kept if nobody got them",
    )
    dead_ttl_s: float = _setting("604800", _seconds, "how long a dead letter is kept, with its inputs")
    admin_token: str = _setting(
        "",
        _admin_token,
        "token that opens `/v1/admin`, of 16 characters or more; with keys it is an operator's; empty: "
        "there is none, and without keys no such path",
        secret=True,
    )
    access: str = _setting(
        "",
        _access,
        "`keys`: every request needs a key (docs/security.md); `open`: none does; empty: `keys` where "
        "ATHENA_KEYS_FILE is set",
    )
    keys_file: str = _setting(
        "",
        _file,
        "file of applications and their keys (TOML), instead of those in Redis; read again when it changes",
    )
    seal_key: str = _setting(
        "",
        _seal_key,
        "text of 32 characters or more that seals the secrets of signatures in Redis; the same for all "
        "gateways and for `athena keys`; empty: keys in Redis have no such secrets",
        secret=True,
    )
    signatures: str = _setting(
        "any",
        _signatures,
        "which signed requests are taken: `any`; `digest`: only with a signed digest of the body; "
        "`off`: none",
    )
    keys_over: str = _setting(
        "any",
        _transport,
        "`tls`: keys and signatures are taken over TLS alone, the gateway's own or that of a trusted proxy; "
        "`any`: over anything",
    )
    signature_repeat_s: float = _setting(
        "5",
        _pause,
        "how long the same signature may come again: all requests that a caller sends to one path within one "
        "second have the same; 0: never",
    )
    redis_timeout_s: float = _setting("5", _seconds, "how long to wait for an answer of Redis")
    load_timeout_s: float = _setting("300", _seconds, "how long wrapperInit and the example may take")
    grace_s: float = _setting("30", _seconds, "how long a stopping process may finish what runs")
    unserved_grace_s: float = _setting(
        "60", _seconds, "how long requests are accepted after the last worker was seen"
    )
    flower_jobs_per_s: int = _setting(
        "50", _count, "jobs a second and worker that are shown in Flower; the rest is only counted"
    )
    fetch_hosts: tuple[HostPattern, ...] = _setting(
        "",
        _hosts,
        "hosts that inputs may be fetched from (`dataSrc: http`), separated by commas: `files.example.com`, "
        "`*.example.com`, `10.0.0.7:9000`; empty: inputs are not fetched",
    )
    fetch_networks: tuple[Network, ...] = _setting(
        "", _networks, "networks that may be connected to although they are private: `10.0.0.0/24`"
    )
    fetch_timeout_s: float = _setting("10", _seconds, "how long fetching all inputs of a request may take")
    gpu_aliases: Mapping[str, str] = _setting(
        "",
        parse_aliases,
        "names for GPU types, separated by commas, product or type first: `NVIDIA A10G=A10G24`; the same "
        "for gateways and all hosts",
    )
    gpu_poll_s: float = _setting("2", _seconds, "how often a host's GPUs are looked at, and told of")
    log_level: str = _setting("info", _log_level, "debug, info, warning or error")
    log_format: str = _setting(
        "text", _log_format, "of standard error: `text` for people, `json` for programs, one object a line"
    )
    log_dir: str = _setting(
        "",
        str,
        "folder for a log file of each process, as JSON lines; `athena serve`: `logs` in its data folder; "
        "`off`: no files",
    )
    access_log: bool = _setting("off", _switch, "whether a gateway logs a line for each request: `on`, `off`")

    @property
    def needs_keys(self) -> bool:
        """Whether every request needs a key."""
        return self.access == KEYS or (not self.access and bool(self.keys_file))

    def __repr__(self) -> str:
        shown = (
            f"{item.name}={'***' if item.metadata['secret'] else getattr(self, item.name)!r}"
            for item in fields(self)
        )
        return f"Settings({', '.join(shown)})"


@dataclass(frozen=True)
class SettingRow:
    """One row of the table, for help texts and documents."""

    variable: str
    default: str
    help: str


def setting_table() -> list[SettingRow]:
    """Returns all settings in the order of their declaration."""
    return [
        SettingRow(_variable(item.name), item.metadata["default"], item.metadata["help"])
        for item in fields(Settings)
    ]


def from_env(environ: Mapping[str, str], **options: str | None) -> Settings:
    """Reads the settings.

    Args:
        environ: usually `os.environ`.
        options: command-line options by the setting's name; one that is given wins over the environment.

    Raises:
        ConfigError: a value cannot be used; the message names the variable or the option.
    """
    values = {}
    for item in fields(Settings):
        option = options.get(item.name)
        if option is None:
            values[item.name] = _read(item, environ)
        else:
            values[item.name] = _parse(item, option, f"--{item.name.replace('_', '-')}")
    return Settings(**values)


def without(environ: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Returns an environment without some variables."""
    return {name: value for name, value in environ.items() if name not in names}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _read(item: Any, environ: Mapping[str, str]) -> Any:
    variable = _variable(item.name)
    raw = environ.get(variable)
    source = environ.get(variable + "_FILE")
    if raw is None and source:
        try:
            # Editors end a file with a line break, which is no part of a secret.
            raw = Path(source).read_text().strip()
        except OSError as error:
            raise ConfigError(f"{variable}_FILE: cannot read {source}: {error.strerror}") from None
    if raw is None:
        raw = item.metadata["default"]
    return _parse(item, raw, variable)


def _parse(item: Any, raw: str, source: str) -> Any:
    try:
        return item.metadata["parser"](raw)
    except ValueError as error:
        shown = "the given value" if item.metadata["secret"] else repr(raw)
        raise ConfigError(f"{source}: {shown} cannot be used: {error}") from None
