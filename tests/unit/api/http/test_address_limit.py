"""How many connections one address may have."""

import ipaddress

import pytest

from api.http.address_limit import AddressLimit, make_address_limit
from tests.callers import Knowing, get
from tests.listener import Client, exchange, listening


def test_address_has_as_many_as_it_may_and_one_more_when_one_has_left() -> None:
    limit = AddressLimit(2)
    key = limit.key_of("203.0.113.9")

    assert [limit.enter(key) for _ in range(3)] == [True, True, False]
    limit.leave(key)
    assert limit.enter(key)
    assert limit.enter(limit.key_of("203.0.113.8"))


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("203.0.113.9", "203.0.113.8", False),
    ],
)
def test_addresses_of_one_caller_count_as_one(one: str, other: str, is_same: bool) -> None:
    limit = AddressLimit(1)

    assert (limit.key_of(one) == limit.key_of(other)) is is_same


def test_nothing_is_remembered_of_addresses_that_are_gone() -> None:
    limit = AddressLimit(2)
    for number in range(1000):
        key = limit.key_of(f"10.1.{number // 256}.{number % 256}")
        limit.enter(key)
        limit.leave(key)

    assert not limit._counts


def test_proxies_and_by_default_this_machine_have_no_limit() -> None:
    proxies = (ipaddress.ip_network("10.0.0.0/24"),)

    assert make_address_limit(0, 1000, proxies).limit == 250
    assert make_address_limit(0, 1000, proxies).key_of("127.0.0.1") == ""
    assert make_address_limit(0, 1000, proxies).key_of("10.0.0.7") == ""
    assert make_address_limit(5, 1000, proxies).limit == 5
    assert make_address_limit(5, 1000, proxies).key_of("127.0.0.1") == "127.0.0.1"
    assert make_address_limit(5, 1000, proxies).key_of("10.0.0.7") == ""


def test_connection_over_the_limit_is_told_so_and_the_others_stay() -> None:
    gateway = Knowing(ATHENA_MAX_CONNECTIONS_PER_ADDRESS="2")
    with listening(gateway) as listener, Client(listener) as first:
        with Client(listener) as second:
            for client in (first, second):
                client.send(get())
                assert client.answer().status == 200

            (refusal,) = exchange(listener)
            assert refusal.status == 429 and refusal.closes
            assert "ATHENA_MAX_CONNECTIONS_PER_ADDRESS" in refusal.document["header"]["message"]
            assert "retry-after: 1" in refusal.head

            second.send(get(connection="close"))
            assert second.answer().status == 200
            assert second.rest() == b""
        with Client(listener) as third:
            third.send(get())
            assert third.answer().status == 200
            first.send(get())
            assert first.answer().status == 200
