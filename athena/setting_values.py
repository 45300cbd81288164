"""What values settings may have: a variable's text becomes a value, or a ValueError says what is wrong."""

import ipaddress
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

#: Shorter tokens can be guessed; 16 characters of chance cannot.
MIN_TOKEN_CHARS = 16
MIN_SEAL_KEY_CHARS = 32

#: Values of `access` and `signatures`.
OPEN, KEYS = "open", "keys"
ANY_SIGNATURE, DIGEST_ONLY, NO_SIGNATURE = "any", "digest", "off"
ANY_TRANSPORT, TLS_ONLY = "any", "tls"

#: Stands for all abilities.
ALL_ABILITIES = "*"

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def text(raw: str) -> str:
    """Returns the text itself."""
    return raw


def path(raw: str) -> Path:
    """Returns an absolute path."""
    return Path(raw).expanduser().absolute()


def folder(raw: str) -> Path | None:
    """Returns an absolute path; None for `off`, and where the user has no home that it could be in."""
    if raw.lower() == "off":
        return None
    try:
        return Path(raw).expanduser().absolute()
    except RuntimeError:
        return None


def file(raw: str) -> str:
    """Returns the absolute name of a file that this process can read."""
    if not raw:
        return ""
    path = Path(raw).expanduser().absolute()
    try:
        path.open("rb").close()
    except OSError as error:
        raise ValueError(f"cannot read it: {error.strerror}") from None
    return str(path)


def file_name(raw: str) -> str:
    """Returns the absolute name of a file that only the gateway has to be able to read."""
    return str(Path(raw).expanduser().absolute()) if raw else ""


def abilities(raw: str) -> tuple[str, ...]:
    """Returns names of abilities, or `*`."""
    names = tuple(item.strip() for item in raw.split(",") if item.strip())
    for name in names:
        if name != ALL_ABILITIES and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}(@[A-Za-z0-9_-]{1,32})?", name):
            raise ValueError(f"{name!r} is no name of an ability")
    return names


def _whole(raw: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _number(raw: str) -> float:
    try:
        return float(raw)
    except ValueError:
        raise ValueError("must be a number, such as 0.5") from None


def positive_int(raw: str) -> int:
    """Returns a whole number above 0."""
    value = _whole(raw)
    if value <= 0:
        raise ValueError("must be above 0")
    return value


def count(raw: str) -> int:
    """Returns a whole number from 0 on."""
    value = _whole(raw)
    if value < 0:
        raise ValueError("must not be negative")
    return value


def port(raw: str) -> int:
    """Returns the number of a port."""
    value = _whole(raw)
    if not 0 < value < 65536:
        raise ValueError("must be 1 to 65535")
    return value


def optional_port(raw: str) -> int:
    """Returns the number of a port, or 0 for none."""
    return 0 if raw == "0" else port(raw)


def path_prefix(raw: str) -> str:
    """Returns a path without the slashes around it."""
    if not re.fullmatch(r"[A-Za-z0-9._~/-]*", raw):
        raise ValueError("must be a path, such as monitor/flower")
    return raw.strip("/")


def seconds(raw: str) -> float:
    """Returns a time above 0."""
    value = _number(raw)
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


def allowed_hosts(raw: str) -> tuple[HostPattern, ...]:
    """Returns names of hosts, or all."""
    names = [item.strip() for item in raw.split(",") if item.strip()]
    return tuple(ANY_HOST if name == ANY_HOST.name else host(name) for name in names)


def origins(raw: str) -> tuple[str, ...]:
    """Returns origins of web pages, in small letters."""
    origins = tuple(item.strip().lower() for item in raw.split(",") if item.strip())
    for origin in origins:
        if origin != ANY_ORIGIN and not re.fullmatch(r"https?://[a-z0-9._-]+(:\d{1,5})?", origin):
            raise ValueError(
                f"{origin!r} is no origin, such as https://app.example.com or http://localhost:8080"
            )
    return origins


def url_prefix(raw: str) -> str:
    """Returns a path or a URL, without the slash at its end."""
    if raw and not re.fullmatch(r"(https?://[A-Za-z0-9.:\[\]_-]+)?(/[A-Za-z0-9._~-]+)*", raw.rstrip("/")):
        raise ValueError("must be a path such as /athena, or a URL such as https://api.example.com/athena")
    return raw.rstrip("/")


def hosts(raw: str) -> tuple[HostPattern, ...]:
    """Returns names of hosts, each with a port or without."""
    return tuple(host(item.strip()) for item in raw.split(",") if item.strip())


def host(text: str) -> HostPattern:
    """Returns a host, or all below a name."""
    found = re.fullmatch(r"((?:\*\.)?[A-Za-z0-9_-][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?", text)
    if found is None:
        raise ValueError(f"{text!r} is no host, such as files.example.com, *.example.com or 10.0.0.7:9000")
    return HostPattern(found[1].lower().strip("[]"), int(found[2] or 0))


def networks(raw: str) -> tuple[Network, ...]:
    """Returns networks of addresses."""
    return tuple(ipaddress.ip_network(item.strip()) for item in raw.split(",") if item.strip())


def log_format(raw: str) -> str:
    """Returns how log lines are written."""
    if raw.lower() not in ("text", "json"):
        raise ValueError("it is text or json")
    return raw.lower()


def switch(raw: str) -> bool:
    """Returns whether something is on."""
    if raw.lower() not in ("on", "off"):
        raise ValueError("it is on or off")
    return raw.lower() == "on"


def log_level(raw: str) -> str:
    """Returns a level of the log, in capitals."""
    value = raw.upper()
    if value not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise ValueError("must be debug, info, warning or error")
    return value


def admin_token(raw: str) -> str:
    """Returns a token that nobody guesses."""
    if raw and len(raw) < MIN_TOKEN_CHARS:
        raise ValueError(
            f"must have {MIN_TOKEN_CHARS} characters or more, such as `openssl rand -hex 16` gives"
        )
    return raw


def basic_auth(raw: str) -> str:
    """Returns users with their passwords, as Flower reads them."""
    pairs = raw.split(",") if raw else []
    # Flower cannot compare other characters.
    if not raw.isascii() or not all(re.fullmatch(r"[^:\s]+:\S{8,}", pair) for pair in pairs):
        raise ValueError("must be user:password in ASCII, with 8 characters or more after the colon")
    return raw


def seal_key(raw: str) -> str:
    """Returns a text that nobody guesses."""
    if raw and len(raw) < MIN_SEAL_KEY_CHARS:
        raise ValueError(
            f"must have {MIN_SEAL_KEY_CHARS} characters or more, such as `openssl rand -base64 32` gives"
        )
    return raw


def access(raw: str) -> str:
    """Returns who may call."""
    if raw not in ("", OPEN, KEYS):
        raise ValueError(f"must be {OPEN} or {KEYS}")
    return raw


def signatures(raw: str) -> str:
    """Returns which signatures are taken."""
    if raw not in (ANY_SIGNATURE, DIGEST_ONLY, NO_SIGNATURE):
        raise ValueError(f"must be {ANY_SIGNATURE}, {DIGEST_ONLY} or {NO_SIGNATURE}")
    return raw


def transport(raw: str) -> str:
    """Returns over what keys are taken."""
    if raw not in (ANY_TRANSPORT, TLS_ONLY):
        raise ValueError(f"must be {ANY_TRANSPORT} or {TLS_ONLY}")
    return raw


def pause(raw: str) -> float:
    """Returns a time from 0 on."""
    value = _number(raw)
    if not 0 <= value < float("inf"):
        raise ValueError("must not be negative")
    return value


def share(raw: str) -> float:
    """Returns a number from 0 to 1."""
    value = _number(raw)
    if not 0 <= value <= 1:
        raise ValueError("must be from 0 to 1")
    return value


def collector(raw: str) -> str:
    """Returns the address of a collector of traces."""
    if not raw:
        return ""
    if not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]_-]+(/[A-Za-z0-9._~/-]*)?", raw):
        raise ValueError("must be a URL, such as http://127.0.0.1:4318")
    # Said at the start, and not with the first trace.
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.exporter") is None:
        raise ValueError("OpenTelemetry is missing: pip install 'athena-serving[otel]'")
    return raw
