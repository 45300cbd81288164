"""What operators are told of a gateway that others reach."""

import pytest

from api.access.exposure import exposures
from athena.settings import from_env

TLS = {"ATHENA_TLS_CERT_FILE": "/etc/athena/cert.pem", "ATHENA_TLS_KEY_FILE": "/etc/athena/key.pem"}


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_nothing_is_said_where_only_this_machine_calls(host: str) -> None:
    assert exposures(from_env({}, host=host), asks_for_keys=False) == []


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "gateway.example.com"])
def test_open_address_is_told_with_what_strangers_can_do(host: str) -> None:
    keys, tls = exposures(from_env({}, host=host), asks_for_keys=False)

    assert host in keys and "no keys" in keys
    assert "ATHENA_TLS_CERT_FILE" in tls


def test_each_remedy_silences_its_line() -> None:
    (only,) = exposures(from_env(TLS, host="0.0.0.0"), asks_for_keys=False)
    assert "keys" in only
    (only,) = exposures(from_env({}, host="0.0.0.0"), asks_for_keys=True)
    assert "ATHENA_TLS_CERT_FILE" in only
    assert exposures(from_env(TLS, host="0.0.0.0"), asks_for_keys=True) == []
