"""All settings: one table, read once from the environment, bad values refuse to start.

Each setting is an environment variable `ATHENA_<NAME>`; `ATHENA_<NAME>_FILE` names a file that holds the
value, for secrets. docs/settings.md is generated from the table below.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from athena import setting_values as values
from athena.devices.types import parse_aliases
from athena.errors import ConfigError
from athena.setting_values import KEYS, HostPattern, Network

PREFIX = "ATHENA_"

#: What only gateways and Flower are to know; wrappers see the environment of their worker.
ADMIN_VARIABLES = (
    "ATHENA_ADMIN_TOKEN",
    "ATHENA_ADMIN_TOKEN_FILE",
    "ATHENA_SEAL_KEY",
    "ATHENA_SEAL_KEY_FILE",
    "ATHENA_FLOWER_BASIC_AUTH",
    "ATHENA_FLOWER_BASIC_AUTH_FILE",
)

#: Where a setting comes from.
DEFAULT, ENVIRONMENT, _OPTION = "default", "environment", "option "

#: Options of commands that are not named after their setting.
_FLAGS = {"redis_url": "--redis", "data_dir": "--data"}

#: What is shown in place of a secret.
MASK = "***"


def _setting(default: str, parser: Callable[[str], Any], text: str, secret: bool = False) -> Any:
    return field(metadata={"default": default, "parser": parser, "help": text, "secret": secret})


@dataclass(frozen=True)
class Settings:
    """The settings of one process; `from_env` makes them, `setting_table` lists them."""

    redis_url: str = _setting(
        "",
        values.text,
        "redis://, rediss://, unix:// or sentinel:// URL (docs/redis.md); empty: the embedded one",
        secret=True,
    )
    redis_ca_file: str = _setting(
        "", values.file, "certificates of authorities that are trusted beside the system's, for rediss://"
    )
    redis_cert_file: str = _setting("", values.file, "certificate that is shown to Redis, for rediss://")
    redis_key_file: str = _setting("", values.file, "its key")
    sentinel_password: str = _setting(
        "", values.text, "password of the sentinels; the one in the URL is that of Redis", secret=True
    )
    data_dir: Path = _setting(".athena", values.path, "folder of the embedded Redis")
    cache_dir: Path | None = _setting(
        "~/.cache/athena-serving",
        values.folder,
        "folder for what a host may make again: environments of abilities, which have loaded here, copies of "
        "large ONNX models that workers share; `off`: none, and environments are in the data folder",
    )
    redis_memory_bytes: int = _setting(
        "0",
        values.count,
        "memory that the embedded Redis may use; near it new jobs get 503; 0: a third of what the machine, "
        "or its container, has",
    )
    host: str = _setting("127.0.0.1", values.text, "address the gateway listens on")
    port: int = _setting("30889", values.port, "port of the gateway")
    metrics_host: str = _setting("127.0.0.1", values.text, "address at which /metrics needs no key")
    metrics_port: int = _setting(
        "0", values.optional_port, "port at which /metrics, and nothing else, needs no key; 0: there is none"
    )
    flower_port: int = _setting("5555", values.optional_port, "port of Flower; 0: it is not started")
    flower_host: str = _setting("127.0.0.1", values.text, "address Flower listens on")
    flower_basic_auth: str = _setting(
        "",
        values.basic_auth,
        "`user:password` of those who may look at Flower, several divided by commas; empty: it asks for none",
        secret=True,
    )
    flower_url_prefix: str = _setting(
        "", values.path_prefix, "path below which a proxy shows Flower, such as `flower`"
    )
    allowed_hosts: tuple[HostPattern, ...] = _setting(
        "",
        values.allowed_hosts,
        "names that the gateway answers to, beside IP addresses and names without a dot, separated by "
        "commas: `api.example.com`, `*.example.com`; `*` for all; empty: none more where it listens on the "
        "loopback, all elsewhere",
    )
    allowed_origins: tuple[str, ...] = _setting(
        "",
        values.origins,
        "web pages that may send requests through a browser, separated by commas: "
        "`https://app.example.com`; `*` for all; empty: none",
    )
    url_prefix: str = _setting(
        "",
        values.url_prefix,
        "what a proxy puts before the gateway's paths, for `Location`, `urls` and OpenAPI's `servers`: "
        "`/athena`, `https://api.example.com`",
    )
    max_body_bytes: int = _setting(
        "67108864", values.positive_int, "largest request body, whatever an ability allows"
    )
    max_held_bytes: int = _setting(
        "536870912",
        values.positive_int,
        "bytes of requests that a gateway holds until they are queued; more get 429",
    )
    max_connections: int = _setting(
        "16384",
        values.positive_int,
        "connections that a gateway takes, as far as the limit of open files allows; for more, those are "
        "closed that have been silent longest",
    )
    max_connections_per_address: int = _setting(
        "0",
        values.count,
        "connections that one address may have, of IPv6 one /64; 0: a quarter of all, and this machine's own "
        "have no limit",
    )
    tls_cert_file: str = _setting(
        "",
        values.file_name,
        "certificate that the gateway shows its callers: it speaks TLS then; PEM, with those that lead to "
        "its authority; read again when it changes",
    )
    tls_key_file: str = _setting("", values.file_name, "its key, without a passphrase")
    trusted_proxies: tuple[Network, ...] = _setting(
        "",
        values.networks,
        "addresses of proxies, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, separated by "
        "commas: `10.0.0.7`, `10.0.0.0/24`; empty: nobody's",
    )
    idle_s: float = _setting(
        "120",
        values.seconds,
        "how long a connection may be silent between two requests; longer than proxies and clients keep it",
    )
    inline_payload_bytes: int = _setting(
        "16384", values.count, "inputs up to this size ride in the queue message, larger ones beside it"
    )
    result_ttl_s: float = _setting("3600", values.seconds, "how long an asynchronous job's result is kept")
    record_ttl_s: float = _setting(
        "86400",
        values.seconds,
        "how long the record is kept of a job that can be asked for, or did not succeed",
    )
    sync_ttl_s: float = _setting(
        "30",
        values.seconds,
        "how long a success without request_id is kept if nobody got it",
    )
    dead_ttl_s: float = _setting("604800", values.seconds, "how long a dead letter is kept, with its inputs")
    admin_token: str = _setting(
        "",
        values.admin_token,
        "token that opens `/v1/admin`, of 16 characters or more; with keys it is an operator's; empty: "
        "there is none, and without keys no such path",
        secret=True,
    )
    access: str = _setting(
        "",
        values.access,
        "`keys`: every request needs a key (docs/security.md); `open`: none does; empty: `keys` where "
        "ATHENA_KEYS_FILE is set",
    )
    keys_file: str = _setting(
        "",
        values.file,
        "file of applications and their keys (TOML), instead of those in Redis; read again when it changes",
    )
    seal_key: str = _setting(
        "",
        values.seal_key,
        "text of 32 characters or more that seals the secrets of signatures in Redis; the same for all "
        "gateways and for `athena keys`; empty: keys in Redis have no such secrets",
        secret=True,
    )
    signatures: str = _setting(
        "any",
        values.signatures,
        "which signed requests are taken: `any`; `digest`: only with a signed digest of the body; "
        "`off`: none",
    )
    keys_over: str = _setting(
        "any",
        values.transport,
        "`tls`: keys and signatures are taken over TLS alone, the gateway's own or that of a trusted proxy; "
        "`any`: over anything",
    )
    signature_repeat_s: float = _setting(
        "5",
        values.pause,
        "how long the same signature may come again: all requests that a caller sends to one path within one "
        "second have the same; 0: never",
    )
    redis_timeout_s: float = _setting("5", values.seconds, "how long to wait for an answer of Redis")
    load_timeout_s: float = _setting("300", values.seconds, "how long wrapperInit and the example may take")
    install_timeout_s: float = _setting(
        "1800", values.seconds, "how long pip may take to install what an ability's requirements.txt names"
    )
    grace_s: float = _setting("30", values.seconds, "how long a stopping process may finish what runs")
    unserved_grace_s: float = _setting(
        "60", values.seconds, "how long requests are accepted after the last worker was seen"
    )
    on_demand: tuple[str, ...] = _setting(
        "",
        values.abilities,
        "abilities whose workers somebody else starts when jobs wait for them, separated by commas; `*` for "
        "all: gateways accept requests for them however long no worker was there (docs/kubernetes.md)",
    )
    flower_jobs_per_s: int = _setting(
        "50", values.count, "jobs a second and worker that are shown in Flower; the rest is only counted"
    )
    fetch_hosts: tuple[HostPattern, ...] = _setting(
        "",
        values.hosts,
        "hosts that inputs may be fetched from (`dataSrc: http`), separated by commas: `files.example.com`, "
        "`*.example.com`, `10.0.0.7:9000`; empty: inputs are not fetched",
    )
    fetch_networks: tuple[Network, ...] = _setting(
        "", values.networks, "networks that may be connected to although they are private: `10.0.0.0/24`"
    )
    fetch_timeout_s: float = _setting(
        "10", values.seconds, "how long fetching all inputs of a request may take"
    )
    gpu_aliases: Mapping[str, str] = _setting(
        "",
        parse_aliases,
        "names for GPU types, separated by commas, product or type first: `NVIDIA A10G=A10G24`; the same "
        "for gateways and all hosts",
    )
    gpu_poll_s: float = _setting("2", values.seconds, "how often a host's GPUs are looked at, and told of")
    log_level: str = _setting("info", values.log_level, "debug, info, warning or error")
    log_format: str = _setting(
        "text",
        values.log_format,
        "of standard error: `text` for people, `json` for programs, one object a line",
    )
    log_dir: str = _setting(
        "",
        str,
        "folder for a log file of each process, as JSON lines; `athena serve`: `logs` in its data folder; "
        "`off`: no files",
    )
    pulse_file: str = _setting(
        "",
        values.file_name,
        "file in which `athena serve`, `workers` and `worker` note once a second that they live and what "
        "does not serve, for `athena probe`; empty: none",
    )
    access_log: bool = _setting(
        "off", values.switch, "whether a gateway logs a line for each request: `on`, `off`"
    )
    share_sessions: bool = _setting(
        "on",
        values.switch,
        "whether ONNX sessions that packages of a wrapper open get the share of their worker (its threads, "
        "which do not spin, its GPU and memory), unless the code asks otherwise: `on`, `off`",
    )
    trace_ratio: float = _setting(
        "0",
        values.share,
        "share of requests to abilities that are traced, from 0 to 1; those are, too, whose callers say so "
        "(`traceparent`); 0: none",
    )
    trace_slow_s: float = _setting(
        "1",
        values.pause,
        "spans are kept of the last 1,000 traced jobs that took so long or longer, for `athena jobs show "
        "--trace`",
    )
    otlp_endpoint: str = _setting(
        "",
        values.collector,
        "collector that gets the spans by OTLP over HTTP, as `http://127.0.0.1:4318`; needs "
        "`athena-serving[otel]`; empty: none",
    )

    @property
    def needs_keys(self) -> bool:
        """Whether every request needs a key."""
        return self.access == KEYS or (not self.access and bool(self.keys_file))

    def __repr__(self) -> str:
        shown = (
            f"{item.name}={MASK if item.metadata['secret'] else getattr(self, item.name)!r}"
            for item in fields(self)
        )
        return f"Settings({', '.join(shown)})"


def from_env(environ: Mapping[str, str], **options: str | None) -> Settings:
    """Reads the settings.

    Args:
        environ: usually `os.environ`.
        options: command-line options by the setting's name; one that is given wins over the environment.

    Raises:
        ConfigError: a value cannot be used; the message names the variable or the option.
    """
    found = {}
    for item in fields(Settings):
        raw, source = raw_of(item, environ, options.get(item.name))
        found[item.name] = _parse(item, raw, _place(item, source))
    return Settings(**found)


def without(environ: Mapping[str, str], names: Collection[str]) -> dict[str, str]:
    """Returns an environment without some variables."""
    return {name: value for name, value in environ.items() if name not in names}


def variable_of(name: str) -> str:
    """Returns the variable of a setting."""
    return PREFIX + name.upper()


def raw_of(item: Any, environ: Mapping[str, str], option: str | None) -> tuple[str, str]:
    """Returns a setting's text and where it comes from (see `Origin`)."""
    variable = variable_of(item.name)
    if option is not None:
        return option, _OPTION + _FLAGS.get(item.name, f"--{item.name.replace('_', '-')}")
    raw = environ.get(variable)
    if raw is not None:
        return raw, ENVIRONMENT
    file = environ.get(variable + "_FILE")
    if not file:
        return item.metadata["default"], DEFAULT
    try:
        # Editors end a file with a line break, which is no part of a secret.
        return Path(file).read_text().strip(), f"file {file}"
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise ConfigError(f"{variable}_FILE: cannot read {file}: {reason}") from None


def _place(item: Any, source: str) -> str:
    """Returns what an error names: the option that was given, else the variable."""
    return source.removeprefix(_OPTION) if source.startswith(_OPTION) else variable_of(item.name)


def _parse(item: Any, raw: str, source: str) -> Any:
    try:
        return item.metadata["parser"](raw)
    except ValueError as error:
        shown = "the given value" if item.metadata["secret"] else repr(raw)
        raise ConfigError(f"{source}: {shown} cannot be used: {error}") from None
