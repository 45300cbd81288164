"""Keys that change, sources that are away."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.access.key_book import KeyBook
from api.access.key_watch import FileKeys, KeySource, KeyWatch, RedisKeys
from athena.access.apps import App, Key, hash_of
from athena.access.documents import document_of
from athena.access.keys_file import toml_of
from athena.access.sealing import Seal
from athena.errors import CredentialsError, StoreError
from athena.store.credentials import version_command
from athena.store.scripts import Command

SEAL = Seal("k" * 32)


def app(name: str, secret: str = "") -> App:
    return App(name, keys=(Key(f"AK-{name}", hash_of(name.encode()), secret),))


class Link:
    """Redis with some applications; None for one that is away."""

    def __init__(self) -> None:
        self.version: bytes | None = None
        self.apps: list[App] = []
        self.is_away = False
        self.asked: list[Command] = []

    def put(self, *apps: App) -> None:
        self.apps = list(apps)
        self.version = b"%d" % (int(self.version or 0) + 1)

    async def execute(self, command: Command) -> Any:
        self.asked.append(command)
        if self.is_away:
            raise StoreError("away")
        if command == version_command():
            return self.version
        fields = [(b"", self.version or b"")]
        fields += [(known.app_id.encode(), orjson.dumps(document_of(known))) for known in self.apps]
        return [item for field in fields for item in field]


class Site:
    """A book and its watch; `changes` counts what was told."""

    def __init__(self, source: KeySource) -> None:
        self.book = KeyBook()
        self.changes = 0
        self.watch = KeyWatch(self.book, source, self._note)

    def _note(self) -> None:
        self.changes += 1

    def look(self) -> None:
        asyncio.run(self.watch.look())

    def opens(self, name: str) -> bool:
        try:
            self.book.of_bearer(b"Bearer " + name.encode())
        except CredentialsError:
            return False
        return True


def redis_site(link: Link, seal: Seal | None = SEAL) -> Site:
    return Site(RedisKeys(link, seal.open if seal else None))  # type: ignore[arg-type]


def test_changes_are_learned_and_nothing_is_read_without_one() -> None:
    link = Link()
    site = redis_site(link)
    link.put(app("shop"))
    site.look()
    assert site.opens("shop") and not site.opens("other")

    link.asked.clear()
    site.look()
    assert (link.asked, site.changes) == ([version_command()], 1)
    link.put(app("other"))
    site.look()
    assert site.opens("other") and not site.opens("shop") and site.changes == 2


def test_known_keys_go_on_without_redis() -> None:
    link = Link()
    site = redis_site(link)
    link.is_away = True
    site.look()
    with pytest.raises(StoreError, match="not known yet"):
        site.opens("shop")
    link.is_away = False
    link.put(app("shop"))
    site.look()
    link.is_away = True
    site.look()

    assert site.opens("shop") and not site.opens("other")


def test_redis_that_has_lost_its_keys_takes_none_away(caplog: pytest.LogCaptureFixture) -> None:
    link = Link()
    site = redis_site(link)
    link.put(app("shop"))
    site.look()
    link.version, link.apps = None, []
    site.look()
    site.look()

    assert site.opens("shop")
    assert caplog.text.count("Redis has lost all keys") == 1
    link.version = b"0"
    link.put(app("other"))
    site.look()
    assert site.opens("other") and not site.opens("shop")


def test_redis_without_keys_is_known_to_have_none(caplog: pytest.LogCaptureFixture) -> None:
    site = redis_site(Link())
    site.look()

    assert not site.opens("shop")
    assert "there is no key that opens anything" in caplog.text


def test_secret_that_cannot_be_opened_is_told_and_its_key_opens_without_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    link = Link()
    link.put(app("shop", SEAL.close("AK-shop", "the secret")))
    for seal in (None, Seal("l" * 32)):
        caplog.clear()
        site = redis_site(link, seal)
        site.look()
        caller = site.book.of_signature("AK-shop")
        assert caller is not None and caller.secret is None and site.opens("shop")
        assert "1 keys cannot sign, such as AK-shop" in caplog.text

    site = redis_site(link)
    site.look()
    caller = site.book.of_signature("AK-shop")
    assert caller is not None and caller.secret is not None


def test_mistake_in_a_look_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(KeySource):
        async def changed(self) -> list[App] | None:
            raise ValueError("a mistake")

    site = Site(Broken())
    site.look()

    assert "cannot look for keys" in caplog.text


def test_file_is_read_again_when_it_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "keys.toml"
    path.write_text(toml_of(app("shop", "the secret")))
    site = Site(FileKeys(path))
    site.look()
    caller = site.book.of_signature("AK-shop")
    assert site.opens("shop") and caller is not None and caller.secret is not None
    site.look()
    assert site.changes == 1

    # Editors and configuration maps put another file in its place.
    other = tmp_path / "new"
    other.write_text(toml_of(app("next")))
    os.replace(other, path)
    site.look()
    assert site.opens("next") and not site.opens("shop")


@pytest.mark.parametrize("text", [None, "[apps", "[apps.shop]\nrole = 'boss'"])
def test_file_that_cannot_be_read_leaves_the_keys_as_they_were(
    text: str | None, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(toml_of(app("shop")))
    site = Site(FileKeys(path))
    site.look()
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    for _ in range(3):
        site.look()

    assert site.opens("shop")
    assert caplog.text.count("the keys stay as they were") == 1


def test_watch_looks_until_it_is_closed() -> None:
    link = Link()
    site = redis_site(link)

    async def run() -> None:
        await site.watch.start(1)
        link.put(app("shop"))
        async with asyncio.timeout(30):
            while site.changes != 2:
                await asyncio.sleep(0.01)
        await site.watch.close()
        count = len(link.asked)
        await asyncio.sleep(1.2)
        assert len(link.asked) == count

    asyncio.run(run())
    assert site.opens("shop")
