"""The URL of Redis: what can be used, what is refused, and that no password is shown."""

import os

import pytest
from kombu.utils.url import url_to_parts

from athena.errors import ConfigError
from athena.settings import from_env
from athena.store.address import (
    RedisAddress,
    RedisTls,
    address_of,
    parse_address,
    redis_address_of,
    redis_url_of,
)
from athena.store.celery_address import celery_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://host", RedisAddress("redis", (("host", 6379),))),
        ("redis://host:7000/", RedisAddress("redis", (("host", 7000),))),
        (
            "redis://:p%40ss%2F@host:1/2",
            RedisAddress("redis", (("host", 1),), database=2, password="p@ss/"),
        ),
        (
            "rediss://user:word@[::1]:7/3",
            RedisAddress("rediss", (("::1", 7),), database=3, username="user", password="word"),
        ),
        ("redis://user:se@cret@host", RedisAddress("redis", (("host", 6379),), "", 0, "user", "se@cret")),
        ("unix:///run/redis.sock", RedisAddress("unix", path="/run/redis.sock")),
        (
            "unix://user:word@/run/a%20b.sock?db=4",
            RedisAddress("unix", path="/run/a b.sock", database=4, username="user", password="word"),
        ),
        (
            "sentinel://:word@a,b:1,[::1]:2/main",
            RedisAddress(
                "sentinel", (("a", 26379), ("b", 1), ("::1", 2)), password="word", master_name="main"
            ),
        ),
        ("sentinel://a/main/5", RedisAddress("sentinel", (("a", 26379),), "", 5, master_name="main")),
    ],
)
def test_url_is_read(url: str, address: RedisAddress) -> None:
    assert parse_address(url) == address_of(url) == address


@pytest.mark.parametrize("url", ["", "host:6379", "http://host", "redis+socket:///x", "amqp://host"])
def test_url_of_another_kind_is_refused_with_the_kinds_that_work(url: str) -> None:
    with pytest.raises(ConfigError, match="must start with redis://, rediss://, unix:// or sentinel://"):
        parse_address(url)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://", "names no host"),
        ("redis://:secret@", "names no host"),
        ("redis://:sec/ret@host", "names no host.*%40"),
        ("redis://:sec#ret@host", "%23"),
        ("redis://:secret@host:port", "names no host, or a port"),
        ("redis://host:70000", "names no host, or a port"),
        ("redis://[::1", "%40"),
        ("redis://a,b/0", "several hosts: only sentinel"),
        ("redis://host/main", "database that is not a number"),
        ("redis://host/-1", "database that is not a number"),
        ("redis://host?db=3", "may not have a query"),
        ("rediss://host/1?ssl_cert_reqs=none", "may not have a query"),
        ("unix://host/redis.sock", "names no socket"),
        ("unix://", "names no socket"),
        ("unix:///redis.sock?password=x", "may not have a query"),
        ("unix:///redis.sock?db=x", "may not have a query"),
        ("sentinel://a:1,b:2", "names no master: write sentinel://"),
        ("sentinel://a:1,,b:2/main", "names no host"),
        ("sentinel://a/main/x", "database that is not a number"),
    ],
)
def test_url_that_cannot_be_used_is_refused_with_what_to_write(url: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        parse_address(url)

    assert "ATHENA_REDIS_URL" in caught.value.message
    assert "sec" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:1/2", "redis://host:1/2"),
        ("redis://user@host", "redis://user@host:6379/0"),
        ("redis://:secret@host:1/2", "redis://:***@host:1/2"),
        ("rediss://user:sec%40ret@host", "rediss://user:***@host:6379/0"),
        ("unix://:secret@/run/redis.sock", "unix://:***@/run/redis.sock"),
        ("unix:///run/redis.sock?db=1", "unix:///run/redis.sock?db=1"),
        ("sentinel://:secret@a,[::1]:7/main/1", "sentinel://:***@a:26379,[::1]:7/main/1"),
    ],
)
def test_address_is_shown_without_its_password(url: str, shown: str) -> None:
    address = parse_address(url, sentinel_password="secret")

    assert address.shown() == shown
    assert "sec" not in repr(address)


def test_files_for_tls_without_tls_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"are for rediss:// only"):
        parse_address("redis://host", RedisTls(ca_file="ca.pem"))


def test_key_without_its_certificate_is_refused() -> None:
    with pytest.raises(ConfigError, match="set ATHENA_REDIS_CERT_FILE too"):
        parse_address("rediss://host", RedisTls(key_file="key.pem"))


@pytest.mark.parametrize("name", ["C#", "a?b", "a%20b", "50%", "é ß", "tab\there", "\udcff"])
def test_embedded_redis_of_any_folder_is_found_by_its_url(name: str) -> None:
    settings = from_env({}, data_dir=f"/srv/{name}")

    address = parse_address(redis_url_of(settings))

    assert address == redis_address_of(settings) == RedisAddress("unix", path=f"/srv/{name}/redis.sock")
    assert parse_address(address.shown()) == address
    # kombu reads paths as UTF-8.
    as_utf8 = os.fsencode(address.path).decode(errors="replace")
    assert "/" + url_to_parts(celery_url(address)).path == as_utf8
