"""Secrets sign as the standard library has it."""

import hmac

import pytest

from athena.protocol.signing_key import SigningKey


@pytest.mark.parametrize("size", [0, 1, 32, 63, 64, 65, 128, 1000])
def test_signs_as_hmac_says(size: int) -> None:
    secret = bytes(number % 256 for number in range(size))
    key = SigningKey(secret)

    for text in ("", "x" * 1000, "host: h\ndate: d", "\u20ac", "\udcff"):
        expected = hmac.digest(secret, text.encode("utf-8", "surrogateescape"), "sha256")
        # Twice: signing changes nothing of the key.
        assert key.mac(text) == key.mac(text) == expected
