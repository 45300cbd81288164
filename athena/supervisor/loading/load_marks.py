"""Which abilities have loaded on this host: files beside what their packages keep in caches of the same home.

A mark is of an ability as it is: another wrapper.py may fetch another model. While a process makes a mark it
locks it, and the system lets go of that whatever ends the process.
"""

import fcntl
import hashlib
import logging
import os
import sys
import time
from pathlib import Path

from athena import __version__
from athena.ability.manifest import Ability

logger = logging.getLogger(__name__)

FOLDER = "loaded"

#: What decides which packages an ability imports, and which models these fetch.
SOURCES = ("wrapper.py", "ability.toml", "requirements.txt")

#: How long a mark counts: each edit makes a new one, and nobody needs those before.
KEPT_S = 90 * 86_400.0

#: Of who needs no lock, because nobody else could see it.
NO_LOCK = -1


def mark_of(ability: Ability) -> str:
    """Returns the name of an ability's mark: another one after each edit, in each environment of Python."""
    digest = hashlib.sha256()
    for part in (str(ability.path.resolve()), sys.prefix, __version__):
        digest.update(part.encode() + b"\0")
    for name in SOURCES:
        digest.update(_content(ability.path / name) + b"\0")
    return f"{ability.service_id}-{digest.hexdigest()[:16]}"


class LoadMarks:
    """The marks of this host.

    Args:
        cache: the folder below which they are; None for nowhere: then this object alone knows of them.
    """

    def __init__(self, cache: Path | None) -> None:
        self._folder = cache and cache / FOLDER
        self._known: set[str] = set()

    def has(self, name: str) -> bool:
        """Whether that ability has loaded."""
        return name in self._known or (self._folder is not None and bool(_content(self._folder / name)))

    def add(self, name: str, lock: int) -> None:
        """Notes that an ability has loaded, for who has the lock."""
        self._known.add(name)
        if self._folder is None or lock == NO_LOCK:
            return
        try:
            os.write(lock, b"loaded\n")
            self._forget_old(time.time())
        except OSError as error:
            logger.warning("cannot note in %s that %s has loaded: %s", self._folder, name, error.strerror)

    def lock(self, name: str) -> int | None:
        """Returns what `unlock` takes; None where a process of another supervisor has the lock."""
        if self._folder is None:
            return NO_LOCK
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # No home, or one that cannot be written: then supervisors do not hear of each other.
        except OSError as error:
            logger.debug("%s cannot be locked: %s", name, error)
            return NO_LOCK
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            # A file system without locks keeps nobody from loading.
            return None if isinstance(error, BlockingIOError) else NO_LOCK
        return lock

    def unlock(self, lock: int) -> None:
        """Lets others load."""
        if lock != NO_LOCK:
            os.close(lock)

    def _forget_old(self, now_s: float) -> None:
        assert self._folder is not None
        for path in self._folder.iterdir():
            if now_s - path.stat().st_mtime > KEPT_S:
                path.unlink(missing_ok=True)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
