"""Who can open a sealed secret."""

from athena.access.sealing import Seal, opener_of


def test_sealed_secret_opens_for_its_key_alone() -> None:
    seal = Seal("k" * 32)
    sealed = seal.close("AK1", "secret")

    assert "secret" not in sealed and seal.close("AK1", "secret") != sealed
    assert seal.open("AK1", sealed) == "secret"
    assert seal.open("AK2", sealed) is None
    assert Seal("l" * 32).open("AK1", sealed) is None
    for wrong in ("", "x", sealed[:-4], "A" + sealed[1:] if sealed[0] != "A" else "B" + sealed[1:]):
        assert seal.open("AK1", wrong) is None


def test_nothing_opens_without_a_seal_key() -> None:
    seal_key = "k" * 32
    open_secret = opener_of(seal_key)

    assert open_secret is not None
    assert open_secret("AK1", Seal(seal_key).close("AK1", "secret")) == "secret"
    assert opener_of("") is None
