"""Environments that were made for abilities, each made once: a folder for each text of requirements.txt.

- `KEY/` is an environment; `complete` in it is written last.
- `KEY.lock` is locked, shared, by those who make it or run in it, `KEY.making` by whoever makes it.
- `KEY.log` has what pip said.
- `abilities/NAME` is a link to the one that an ability had last.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from athena.environments.installer import make_environment
from athena.environments.interpreter import own_abi
from athena.environments.packages import constraints
from athena.environments.requirements import Requirements
from athena.errors import ConfigError
from athena.settings import Settings

#: The folder in that for what a host may make again, or in the data folder.
NAME = "environments"

COMPLETE = "complete"
LINKS = "abilities"


class Shelf:
    """Where environments are kept.

    Args:
        folder: of all of them.
        timeout_s: how long pip may take for one.
        say: hears what takes long.
    """

    def __init__(self, folder: Path, timeout_s: float, say: Callable[[str], None]) -> None:
        self._folder = folder.absolute()
        self._timeout_s = timeout_s
        self._say = say
        #: Kept open as long as this process, or what it becomes, lives.
        self._held: list[int] = []

    def has(self, requirements: Requirements) -> bool:
        """Whether an environment is there already."""
        return (self._folder / key_of(requirements) / COMPLETE).exists()

    def take(self, service_id: str, requirements: Requirements, check: Callable[[Path], None]) -> Path:
        """Returns the Python of an environment, which is made if it is not there.

        Args:
            service_id: for whom.
            requirements: what is in it.
            check: raises `ConfigError` for one that cannot be used after all.

        Raises:
            ConfigError: it cannot be made.
        """
        key = key_of(requirements)
        made = self._folder / key
        try:
            # One by one, for the mode does not count for parents, and a data folder is closed to others.
            for folder in (self._folder.parent, self._folder, self._folder / LINKS):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._hold(key)
            if not (made / COMPLETE).exists():
                with _locked(made.with_suffix(".making")):
                    # Another one may have made it while this one waited.
                    if not (made / COMPLETE).exists():
                        self._make(made, requirements, check)
            self._link(service_id, key)
        except OSError as error:
            raise ConfigError(
                f"cannot keep packages in {self._folder}: {error.strerror or error}; "
                "name another folder with ATHENA_CACHE_DIR"
            ) from None
        return made / "bin" / "python"

    def last(self, service_id: str) -> Path | None:
        """Returns the Python that an ability had last, if it is still there."""
        made = self._folder / os.path.realpath(self._folder / LINKS / service_id)
        python = made / "bin" / "python"
        if not (made / COMPLETE).exists() or not python.exists():
            return None
        self._hold(made.name)
        return python

    def drop_left(self) -> list[str]:
        """Removes the environments that no ability has and no process runs in; returns their names."""
        # What begins with a dot becomes a link in this moment, and whoever makes it holds its environment.
        wanted = {os.path.basename(os.readlink(link)) for link in (self._folder / LINKS).glob("[!.]*")}
        dropped = []
        for lock in sorted(self._folder.glob("*.lock")):
            # Where somebody makes it, or runs in it, it is not to be had.
            with suppress(BlockingIOError), _locked(lock, fcntl.LOCK_NB):
                if lock.stem not in wanted and lock.with_suffix("").exists():
                    shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
                    lock.with_suffix(".log").unlink(missing_ok=True)
                    dropped.append(lock.stem)
        return dropped

    def _hold(self, key: str) -> None:
        """Keeps an environment from being removed while this process, or what it becomes, lives."""
        lock = os.open(self._folder / f"{key}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        self._held.append(lock)
        os.set_inheritable(lock, True)
        fcntl.flock(lock, fcntl.LOCK_SH)

    def _make(self, made: Path, requirements: Requirements, check: Callable[[Path], None]) -> None:
        began_s = time.monotonic()
        self._say(f"installing what {requirements.path} names")
        # Whoever began it was killed.
        shutil.rmtree(made, ignore_errors=True)
        log = made.with_suffix(".log")
        log.unlink(missing_ok=True)
        try:
            check(make_environment(made, requirements, constraints(), log, self._timeout_s))
        except ConfigError:
            shutil.rmtree(made, ignore_errors=True)
            raise
        (made / COMPLETE).touch()
        self._say(f"installed what {requirements.path} names, in {time.monotonic() - began_s:.0f} s")

    def _link(self, service_id: str, key: str) -> None:
        link = self._folder / LINKS / service_id
        if link.is_symlink() and os.readlink(link) == f"../{key}":
            return
        # A name of its own: threads, and containers on one volume, have the same pid.
        fresh = link.with_name(f".{service_id}.{secrets.token_hex(8)}")
        fresh.symlink_to(f"../{key}")
        fresh.replace(link)
        self.drop_left()


def open_shelf(settings: Settings, say: Callable[[str], None]) -> Shelf:
    """Returns this host's shelf."""
    folder = (settings.cache_dir or settings.data_dir) / NAME
    return Shelf(folder, settings.install_timeout_s, say)


def key_of(requirements: Requirements) -> str:
    """Returns the name of an environment: another for whatever would put other packages into it."""
    base = os.path.realpath(getattr(sys, "_base_executable", sys.executable))
    parts = [base, sys.version, own_abi(), *constraints()]
    for path, text in requirements.files:
        parts += [os.path.relpath(path, requirements.path.parent), text]
    if requirements.wheels.is_dir():
        parts += sorted(wheel.name for wheel in requirements.wheels.iterdir())
    if not requirements.is_plain:
        # Paths in it begin in its folder.
        parts.append(str(requirements.path))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@contextmanager
def _locked(path: Path, how: int = 0) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | how)
        yield
