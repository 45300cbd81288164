"""Whether a Redis is one that Athena can use, asked before anything starts."""

import re
from collections.abc import Mapping
from typing import Any

from redis.exceptions import RedisError

from athena.errors import ConfigError
from athena.store.address import RedisAddress, address_of
from athena.store.connections import client_of

MIN_VERSION = (6, 2)

#: Above this share of its memory limit, Redis gets no new jobs, so that it can end those it has.
MEMORY_SHARE = 0.9

CHECK_TIMEOUT_S = 5.0

#: What OpenSSL says of certificates that are trusted and not made as they should be.
_NOT_STRICT = re.compile(r"key usage|[Kk]ey [Ii]dentifier|[Bb]asic [Cc]onstraints")


def settings_fault(info: Mapping[str, Any]) -> str:
    """Returns what is wrong with a server and what to do about it, "" if nothing is.

    Args:
        info: what the command INFO answers.
    """
    # Valkey calls it `server_mode`.
    mode = info.get("redis_mode") or info.get("server_mode")
    if mode == "sentinel":
        return "this is a Sentinel, not a Redis: write sentinel://host:26379/<master name>"
    version = str(info.get("redis_version", ""))
    if _numbers(version) < MIN_VERSION:
        return f"Redis {version or 'of unknown version'} is too old: use Redis 6.2 or later, or Valkey"
    if mode == "cluster":
        return "Redis Cluster is not supported: use a single Redis, or a master with replicas and Sentinel"
    if info.get("role") == "slave":
        return "this Redis is a replica and takes no jobs: name its master, or use sentinel://"
    policy = info.get("maxmemory_policy")
    if policy != "noeviction":
        return (
            f"the maxmemory-policy of Redis is {policy}, which throws jobs away when memory is short: set it "
            "to noeviction (CONFIG SET maxmemory-policy noeviction, and in its configuration)"
        )
    return ""


def read_info(raw: bytes) -> dict[str, str]:
    """Reads the answer of INFO."""
    lines = raw.decode("utf-8", "replace").splitlines()
    pairs = (line.partition(":") for line in lines if not line.startswith("#"))
    return {name: value for name, colon, value in pairs if colon}


def memory_share(info: Mapping[str, str]) -> float:
    """Returns how much of its memory limit Redis uses, from the answer of INFO; 0 without a limit."""
    limit = int(info.get("maxmemory", 0))
    return int(info.get("used_memory", 0)) / limit if limit else 0.0


def fault_at(target: RedisAddress | str, timeout_s: float = CHECK_TIMEOUT_S) -> str:
    """Asks a server and returns its fault (see `settings_fault`).

    Raises:
        redis.RedisError: it does not answer.
    """
    with client_of(target, timeout_s) as client:
        info: Any = client.info()
    return settings_fault(info)


def check_redis(target: RedisAddress | str) -> None:
    """Refuses a Redis that does not answer or cannot be used.

    Raises:
        ConfigError: the message says what to do.
    """
    address = address_of(target)
    try:
        fault = fault_at(address)
    except (RedisError, OSError) as error:
        raise ConfigError(f"Redis does not answer: {error}; {_remedy(str(error))}") from None
    if fault:
        raise ConfigError(f"{address.shown()}: {fault}")


def _remedy(error: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in error and _NOT_STRICT.search(error):
        return (
            "its certificates do not keep RFC 5280, which Python asks for from 3.13 on: make the authority's "
            "anew with basicConstraints=critical,CA:TRUE and keyUsage=critical,keyCertSign, and both with "
            "key identifiers"
        )
    if "CERTIFICATE_VERIFY_FAILED" in error:
        return (
            "its certificate is not trusted: name the certificate of the authority that signed it in "
            "ATHENA_REDIS_CA_FILE, and check that the certificate is for this host"
        )
    return "check --redis"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])
