"""What a key opens."""

import pytest

from athena.access.scopes import Scopes
from athena.errors import ScopeError


def test_key_of_an_ability_opens_all_of_its_versions() -> None:
    scopes = Scopes(abilities=frozenset(("ocr", "asr@v2")))

    for name in ("ocr", "ocr@v2", "asr@v2"):
        scopes.check_ability(name)
        assert scopes.knows(name)
    for name in ("asr", "asr@v3", "tts", "ocr2@v2"):
        assert not scopes.knows(name)
        with pytest.raises(ScopeError, match=f"this key may not run {name}"):
            scopes.check_ability(name)
