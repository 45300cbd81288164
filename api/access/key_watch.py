"""Keeps a gateway's keys up to date: within a second of a change, and without Redis as they were last."""

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from pathlib import Path

from api.access.key_book import KeyBook, Opener
from api.background import BackgroundLoop
from api.redis.link import RedisLink
from athena.access.apps import App, Key
from athena.access.keys_file import read_keys_file
from athena.access.sealing import OpenSecret
from athena.errors import ConfigError, StoreError
from athena.operations.credentials import decode_apps
from athena.store.credentials import apps_command, apps_of, version_command

logger = logging.getLogger(__name__)

#: Twice as often as changes are promised to be known.
LOOK_S = 0.5


class KeySource:
    """Where keys are kept."""

    async def changed(self) -> list[App] | None:
        """Returns all applications if they have changed since the last call; None if they have not.

        Raises:
            StoreError: it cannot be asked now.
            ConfigError: what it holds cannot be read.
        """
        raise NotImplementedError

    def opened(self, key: Key) -> str | None:
        """Returns a key's secret in plain text; None if it has none, or it cannot be opened."""
        raise NotImplementedError


class RedisKeys(KeySource):
    """Keys in Redis; their version is asked for, and all of them once it has changed.

    Args:
        link: to Redis.
        open_secret: opens the sealed secret of an api_key; None where there is no seal.
    """

    def __init__(self, link: RedisLink, open_secret: OpenSecret | None) -> None:
        self._link = link
        self._open_secret = open_secret
        self._version: bytes | None = None
        self._has_looked = False

    async def changed(self) -> list[App] | None:
        """Returns all applications if they have changed."""
        version = await self._link.execute(version_command())
        if self._has_looked and version == self._version:
            return None
        if version is None and self._has_looked:
            # Nothing that is done with keys takes the version away: Redis has lost its memory.
            logger.error("Redis has lost all keys; those that were known go on, until this gateway ends")
            self._version = None
            return None
        _, documents = apps_of(await self._link.execute(apps_command()))
        self._has_looked, self._version = True, version
        return decode_apps(documents)

    def opened(self, key: Key) -> str | None:
        """Returns a key's secret."""
        if not key.secret or self._open_secret is None:
            return None
        return self._open_secret(key.api_key, key.secret)


class FileKeys(KeySource):
    """Keys in a file, read again when it is another one or was written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()

    async def changed(self) -> list[App] | None:
        """Returns all applications if the file has changed."""
        try:
            status = os.stat(self._path)
        except OSError as error:
            raise ConfigError(f"{self._path}: cannot read it: {error.strerror}") from None
        seen = (status.st_mtime_ns, status.st_size, status.st_ino)
        if seen == self._seen:
            return None
        apps = read_keys_file(self._path)
        self._seen = seen
        return apps

    def opened(self, key: Key) -> str | None:
        """Returns a key's secret; in a file it is not sealed."""
        return key.secret or None


class KeyWatch:
    """Looks for changes, as long as the gateway lives.

    Args:
        book: what is kept up to date.
        source: of the keys.
        on_change: called after each change.
    """

    def __init__(self, book: KeyBook, source: KeySource, on_change: Callable[[], None]) -> None:
        self._book = book
        self._source = source
        self._on_change = on_change
        self._told = ""
        self._loop = BackgroundLoop("the look for keys", self.look, lambda: LOOK_S)

    async def start(self, timeout_s: float) -> None:
        """Begins to look, and waits for the first look; without Redis, not longer than the time given."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.look(), timeout_s)
        self._loop.start()

    async def close(self) -> None:
        """Stops."""
        await self._loop.close()

    async def look(self) -> None:
        """Looks once; whatever is wrong, what was known stays."""
        try:
            apps = await self._source.changed()
            if apps is not None:
                self._learn(apps)
            self._told = ""
        except StoreError as error:
            logger.debug("cannot look for keys: %s", error)
        except ConfigError as error:
            self._tell(error.message)
        except Exception:
            # A mistake must not end it: a revoked key would open for ever.
            logger.exception("cannot look for keys")

    def _learn(self, apps: list[App]) -> None:
        unopened: list[str] = []
        self._book.replace(apps, _noting(self._source.opened, unopened))
        self._on_change()
        keys = sum(len(app.keys) for app in apps)
        logger.info("%d applications have %d keys", len(apps), keys)
        if not keys:
            logger.warning("there is no key that opens anything; athena keys create makes one")
        if unopened:
            logger.error(
                "%d keys cannot sign, such as %s: ATHENA_SEAL_KEY is not the one they were made with",
                len(unopened),
                unopened[0],
            )

    def _tell(self, message: str) -> None:
        """Tells once what is wrong with the keys."""
        if message != self._told:
            logger.error("the keys stay as they were: %s", message)
        self._told = message


def _noting(opened: Opener, unopened: list[str]) -> Opener:
    def noted(key: Key) -> str | None:
        secret = opened(key)
        if key.secret and secret is None:
            unopened.append(key.api_key)
        return secret

    return noted
