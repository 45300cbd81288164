"""Which servers are refused, and what the operator is told."""

import re
from typing import Any

import pytest

from athena.errors import ConfigError
from athena.store.checks import _remedy, check_redis, memory_share, read_info, settings_fault

SOUND = {
    "redis_version": "6.2.14",
    "redis_mode": "standalone",
    "role": "master",
    "maxmemory_policy": "noeviction",
}

#: Valkey names its mode otherwise, and says which Redis it is compatible with.
VALKEY = {
    "redis_version": "7.2.4",
    "server_name": "valkey",
    "server_mode": "standalone",
    "role": "master",
    "maxmemory_policy": "noeviction",
}


@pytest.mark.parametrize("info", [SOUND, VALKEY, {**SOUND, "redis_version": "8.0"}])
def test_sound_server_has_no_fault(info: dict[str, Any]) -> None:
    assert settings_fault(info) == ""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"redis_version": "6.0.16"}, "Redis 6.0.16 is too old: use Redis 6.2"),
        ({"redis_version": 5.0}, "too old"),
        ({"redis_version": ""}, "of unknown version"),
        ({"redis_mode": "cluster"}, "use a single Redis, or a master with replicas and Sentinel"),
        ({"redis_mode": "sentinel"}, "write sentinel://"),
        ({"role": "slave"}, "name its master"),
        ({"maxmemory_policy": "allkeys-lru"}, "is allkeys-lru.*set it to noeviction"),
    ],
)
def test_server_that_cannot_be_used_is_told_with_the_remedy(changes: dict[str, Any], text: str) -> None:
    assert re.search(text, settings_fault({**SOUND, **changes}))


def test_cluster_mode_of_valkey_is_seen() -> None:
    assert "Cluster" in settings_fault({**VALKEY, "server_mode": "cluster"})


def test_answer_of_info_is_read() -> None:
    raw = b"# Server\r\nredis_version:6.2.14\r\nexecutable:/a:b\r\n\r\n# Memory\r\n"
    raw += b"maxmemory_policy:noeviction\r\n"

    assert read_info(raw) == {
        "redis_version": "6.2.14",
        "executable": "/a:b",
        "maxmemory_policy": "noeviction",
    }


def test_server_that_does_not_answer_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Redis does not answer: .*check --redis"):
        check_redis("unix:///nowhere/redis.sock")


@pytest.mark.parametrize(
    ("reason", "remedy"),
    [
        ("self-signed certificate in certificate chain", "ATHENA_REDIS_CA_FILE"),
        ("Hostname mismatch, certificate is not valid for 'x'.", "ATHENA_REDIS_CA_FILE"),
        ("CA cert does not include key usage extension", "keyUsage=critical,keyCertSign"),
        ("Missing Authority Key Identifier", "key identifiers"),
        ("Basic Constraints of CA cert not marked critical", "basicConstraints=critical"),
    ],
)
def test_certificate_that_is_refused_is_told_with_its_own_remedy(reason: str, remedy: str) -> None:
    error = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {reason} (_ssl.c:1029)."

    assert remedy in _remedy(error)


@pytest.mark.parametrize(
    ("info", "share"),
    [
        (b"# Memory\r\nused_memory:90\r\nused_memory_rss:500\r\nmaxmemory:100\r\nmaxmemory_human:1\r\n", 0.9),
        (b"used_memory:90\r\nmaxmemory:0\r\n", 0.0),
        (b"", 0.0),
    ],
)
def test_memory_share_is_read_from_the_answer_of_info(info: bytes, share: float) -> None:
    assert memory_share(read_info(info)) == share
