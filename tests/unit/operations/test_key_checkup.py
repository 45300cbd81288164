"""What `athena doctor` says of applications' keys."""

from athena.access.apps import App, Key
from athena.access.minting import mint
from athena.access.sealing import OpenSecret, Seal
from athena.operations.checkup.keys import MAX_NAMES_CHARS, key_ailments

NOW_S = 1_800_000_000.0
SEAL = "s" * 32
OTHER_SEAL = "t" * 32


def app(name: str, seal_key: str, **changes: float) -> App:
    new = mint()
    return App(name, keys=(Key(new.api_key, "hash", new.sealed(seal_key), **changes),))


def told(*apps: App, open_secret: OpenSecret | None) -> list[str]:
    return [f"{item.what} | {item.remedy}" for item in key_ailments(apps, NOW_S, open_secret)]


def test_keys_that_open_are_in_order() -> None:
    assert told(app("web", SEAL), app("plain", ""), open_secret=Seal(SEAL).open) == []
    assert told(app("plain", ""), open_secret=None) == []


def test_no_key_that_opens() -> None:
    none = ["every request needs a key, and there is none that opens | athena keys create APP"]

    assert told(open_secret=None) == none
    gone = (app("web", "", expires_s=NOW_S - 1), app("old", "", revoked_s=NOW_S - 1))
    assert told(*gone, open_secret=None) == none


def test_secrets_of_another_seal_are_named() -> None:
    (line,) = told(app("web", SEAL), app("shop", OTHER_SEAL), open_secret=Seal(SEAL).open)

    assert line == (
        "secrets in Redis were sealed with another ATHENA_SEAL_KEY, so signatures are refused: those of shop "
        "| set the one that they were made with, or athena keys rotate APP"
    )


def test_missing_seal_key_is_told() -> None:
    (line,) = told(app("web", SEAL), app("plain", ""), open_secret=None)

    assert line.startswith(
        "ATHENA_SEAL_KEY is not set here, and secrets in Redis are sealed with one: those of web | set it "
    )


def test_keys_that_have_ended_do_not_matter() -> None:
    ended = app("shop", OTHER_SEAL, revoked_s=NOW_S - 1)

    assert told(app("web", SEAL), ended, open_secret=Seal(SEAL).open) == []


def test_many_names_are_cut_short() -> None:
    apps = [app(f"app{number:03}", SEAL) for number in range(200)]

    (line,) = told(*apps, open_secret=Seal(OTHER_SEAL).open)

    assert len(line) < MAX_NAMES_CHARS + 200
