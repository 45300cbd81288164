"""Copies of models in a folder: found by what they were made of, made once, forgotten when unused."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from athena.sdk.onnx.identity import files_of

logger = logging.getLogger(__name__)

#: Smaller models are not worth a copy.
MIN_BYTES = 64 * 1024 * 1024

#: A copy holds the weights as they are and as the processor wants them.
GROWTH = 2.5

#: What stays free on the disk.
SPARE_BYTES = 1024 * 1024 * 1024

#: How long a copy is kept that nobody opens.
KEPT_S = 30 * 86_400.0

#: How long something half made is left to who makes it.
MAKING_S = 86_400.0

#: The file of a copy that says what it was made of.
NOTE = "sources.json"


class Copies:
    """The copies in one folder.

    Args:
        folder: where; made if need be, for this user alone.
        min_bytes: of models that get one.
    """

    def __init__(self, folder: Path, min_bytes: int = MIN_BYTES) -> None:
        self._folder = folder
        self._min_bytes = min_bytes

    def of(self, model: Path, recipe: str, write: Callable[[Path], None]) -> Path | None:
        """Returns the copy of a model; None where it is small, or there can be none, which the log tells.

        Args:
            model: the file.
            recipe: what else decides how a copy looks.
            write: writes one under the name that it is given, and may make more files beside that.
        """
        try:
            self._open_folder()
            place = self._folder / f"{model.stem}-{_digest(str(model.resolve()), recipe)}"
            return self._found(place, model) or self._made(place, model, write)
        except OSError as error:
            logger.warning("the weights of %s are not shared: %s", model, error)
            return None

    def drop(self, copy: Path) -> None:
        """Forgets a copy that is of no use."""
        shutil.rmtree(copy.parent, ignore_errors=True)

    def _open_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self._folder.stat()
        # Who can write here decides what models answer.
        if found.st_uid != os.getuid() or found.st_mode & 0o022:
            raise PermissionError(f"{self._folder} is not of this user alone")

    def _found(self, place: Path, model: Path) -> Path | None:
        """Returns the copy if its model has not changed since."""
        copy = place / model.name
        try:
            note = json.loads((place / NOTE).read_bytes())
            is_right = note == {"sources": _stated(map(Path, note["sources"])), "copy": _sizes(place)}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not is_right:
            return None
        # For who looks which copies are in use.
        os.utime(place / NOTE)
        return copy

    def _made(self, place: Path, model: Path, write: Callable[[Path], None]) -> Path | None:
        sources = files_of(model)
        size = sum(path.stat().st_size for path in sources)
        if size < self._min_bytes:
            return None
        with self._locked():
            # Another process may have made it meanwhile.
            found = self._found(place, model)
            if found is not None:
                return found
            self._forget_unused(time.time())
            free = shutil.disk_usage(self._folder).free
            if free < size * GROWTH + SPARE_BYTES:
                raise OSError(f"{self._folder} has {free >> 20} MiB left")
            began_s = time.monotonic()
            self._make(place, model, sources, write)
            logger.info("%s: a copy that workers share, in %.1f s", model, time.monotonic() - began_s)
            return place / model.name

    def _make(self, place: Path, model: Path, sources: list[Path], write: Callable[[Path], None]) -> None:
        stated = _stated(sources)
        making = Path(tempfile.mkdtemp(prefix="making-", dir=self._folder))
        try:
            write(making / model.name)
            (making / NOTE).write_text(json.dumps({"sources": stated, "copy": _sizes(making)}))
            # After a power cut, a name must not stand for what was never written.
            for path in (*making.iterdir(), making):
                _sync(path)
            shutil.rmtree(place, ignore_errors=True)
            making.rename(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _forget_unused(self, now_s: float) -> None:
        for place in self._folder.iterdir():
            if place.is_dir() and not _is_used(place, now_s):
                shutil.rmtree(place, ignore_errors=True)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One process makes copies at a time; the others wait for it."""
        lock = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _stated(files: Iterable[Path]) -> dict[str, list[int]]:
    """Returns what tells a file that was written anew."""
    stated = {}
    for path in files:
        found = path.stat()
        stated[str(path.resolve())] = [found.st_size, found.st_mtime_ns, found.st_ino]
    return stated


def _sizes(place: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(place.iterdir()) if path.name != NOTE}


def _is_used(place: Path, now_s: float) -> bool:
    try:
        if place.name.startswith("making-"):
            return now_s - place.stat().st_mtime < MAKING_S
        sources = json.loads((place / NOTE).read_bytes())["sources"]
        opened_s = (place / NOTE).stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return now_s - opened_s < KEPT_S and all(Path(path).exists() for path in sources)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
