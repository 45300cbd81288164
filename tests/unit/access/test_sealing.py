"""Who can open a sealed secret."""

from athena.access.sealing import Seal, opener_of

SEAL_KEY = "s" * 32


def test_only_the_same_seal_key_opens_a_secret_for_the_same_api_key() -> None:
    sealed = Seal(SEAL_KEY).close("AK1", "secret")
    same, other = opener_of(SEAL_KEY), opener_of("t" * 32)
    assert same is not None and other is not None

    assert same("AK1", sealed) == "secret"
    assert (same("AK2", sealed), other("AK1", sealed), same("AK1", "no base64!")) == (None, None, None)


def test_nothing_opens_without_a_seal_key() -> None:
    assert opener_of("") is None
