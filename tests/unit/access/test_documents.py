"""Applications as text, in Redis and in a file."""

from pathlib import Path
from typing import Any

import pytest

from athena.access.apps import REMEMBERED_S, App, Key, hash_of
from athena.access.documents import document_of, read_app
from athena.access.keys_file import read_keys_file, toml_of
from athena.access.minting import mint
from athena.access.scopes import Right, Role, Scopes
from athena.errors import ConfigError, CredentialsError, ScopeError

KEY = Key("AK1234", hash_of(b"token"), "secret", 1_700_000_000, 1_800_000_000, 1_750_000_000)
SCOPES = Scopes(Role.VIEWER, frozenset({Right.READ}), frozenset({"ocr", "echo"}), "low", False, False)


@pytest.mark.parametrize("app", [App("shop"), App('shöp \\"x', SCOPES, (KEY, Key("AK5678", "", "s")))])
def test_application_comes_back_as_it_was(app: App, tmp_path: Path) -> None:
    assert read_app(app.app_id, document_of(app)) == app
    path = tmp_path / "keys.toml"
    path.write_text(toml_of(app), encoding="utf-8")
    assert read_keys_file(path) == [app]


def test_file_needs_no_more_than_a_key(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(
        '[[apps.shop.keys]]\napi_key = "AK1234"\nexpires = 2027-01-31T00:00:00Z\n'
        f'sha256 = "{hash_of(b"t")}"\n'
    )

    [app] = read_keys_file(path)

    assert (app.app_id, app.scopes) == ("shop", Scopes())
    assert app.keys == (Key("AK1234", hash_of(b"t"), expires_s=1801353600.0),)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a table of members"),
        ({"role": "boss"}, "role must be one of: caller, viewer, operator; got 'boss'"),
        ({"abilties": []}, "there is no member 'abilties'"),
        ({"abilities": "ocr"}, "abilities must be a list of texts"),
        ({"rights": ["fly"]}, "rights must be one of"),
        ({"highest_lane": "top"}, "highest_lane must be one of"),
        ({"gpu_id": 1}, "gpu_id must be true or false"),
        ({"keys": {}}, "keys must be a list"),
        ({"keys": [{"api_key": "AK1234"}]}, "key 1: it opens nothing"),
        ({"keys": [{"api_key": 'A"', "sha256": "0" * 64}]}, "key 1: api_key has"),
        ({"keys": [{"api_key": "AK1234", "sha256": "0"}]}, "key 1: sha256 has"),
        ({"keys": [{"api_key": "AK1234", "secret": 1}]}, "key 1: secret must be"),
        ({"keys": [{"api_key": "AK1234", "secret": "s", "expires": "2027-01-01T00:00:00"}]}, "expires must"),
        ({"keys": [{"api_key": "AK1234", "secret": "s", "expires": 5}]}, "expires must be a time"),
        ({"keys": [{"api_key": "AK1234", "secret": "s", "x": 5}]}, "key 1: there is no member 'x'"),
    ],
)
def test_what_is_wrong_is_named(document: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^shop: .*{message}"):
        read_app("shop", document)


@pytest.mark.parametrize("app_id", ["", "x" * 51, "a\x7f"])
def test_app_id_has_limits(app_id: str) -> None:
    with pytest.raises(ConfigError, match="an app_id has"):
        read_app(app_id, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[apps", "it is no TOML"),
        ("[app.shop]", "nothing else"),
        ("apps = 1", "nothing else"),
        ("[apps.shop]\nrole = 1", "shop: role must be"),
        (
            '[[apps.a.keys]]\napi_key="AK1234"\nsecret="x"\n[[apps.b.keys]]\napi_key="AK1234"\nsecret="y"',
            "two keys are the same: AK1234",
        ),
    ],
)
def test_file_that_cannot_be_used_is_named(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)

    with pytest.raises(ConfigError, match=message) as refused:
        read_keys_file(path)
    assert str(path) in refused.value.message
    with pytest.raises(ConfigError, match="cannot read it"):
        read_keys_file(tmp_path / "none")


def test_key_opens_until_it_expires_or_is_revoked() -> None:
    key = Key("AK1234", "", "s", 0, expires_s=100)

    assert key.is_live(99.9) and not key.is_live(100)
    key.check(99)
    with pytest.raises(CredentialsError, match="the key AK1234 has expired"):
        key.check(101)
    with pytest.raises(CredentialsError, match="the key AK1234 was revoked"):
        KEY.check(0)
    assert not key.is_forgotten(100 + REMEMBERED_S) and key.is_forgotten(101 + REMEMBERED_S)
    assert not Key("AK1234", "", "s").is_forgotten(1e12)


def test_long_ended_keys_go_with_the_next_one() -> None:
    app = App("shop", keys=(Key("AK1", "", "s", expires_s=1), Key("AK2", "", "s")))

    assert [key.api_key for key in app.with_key(Key("AK3", "", "s"), 2e9).keys] == ["AK2", "AK3"]


def test_no_text_of_a_key_shows_what_opens() -> None:
    new = mint()

    assert new.secret not in repr(new) and new.token not in repr(new)
    kept = new.kept(new.secret, 5.0)
    assert new.secret not in repr(kept) and new.token not in repr(kept)
    assert kept.token_hash == hash_of(new.token.encode())
    assert len({mint().token for _ in range(100)}) == 100


def test_scopes_limit_what_a_caller_may() -> None:
    scopes = Scopes(
        rights=frozenset({Right.RUN, Right.READ}), abilities=frozenset({"ocr"}), highest_lane="normal"
    )

    scopes.check_ability("ocr")
    scopes.check_lane("low")
    scopes.check_lane("normal")
    with pytest.raises(ScopeError, match="may not run echo"):
        scopes.check_ability("echo")
    with pytest.raises(ScopeError, match="may not ask for priority 'high'"):
        scopes.check_lane("high")
    with pytest.raises(ScopeError, match="may not cancel jobs"):
        scopes.check(Right.CANCEL)
    assert not scopes.sees_all


def test_viewer_reads_and_operator_does_all() -> None:
    viewer, operator = Scopes(Role.VIEWER), Scopes(Role.OPERATOR, frozenset())

    viewer.check(Right.READ)
    for right in (Right.RUN, Right.CANCEL):
        with pytest.raises(ScopeError):
            viewer.check(right)
    for right in Right:
        operator.check(right)
    assert viewer.sees_all and operator.sees_all
