"""Tells which files of some folders were edited: `python -m athena.supervisor.succession.edits DIR …`.

Started by `athena serve --reload`. Each line of its output is a JSON list of files that were edited
together; from the first one on it watches, and that may be empty. A process of its own, because what watches
has threads, and a supervisor must have none.
"""

import json
import os
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from watchfiles import Change, DefaultFilter, watch
from watchfiles.main import FileChange

#: What a wrapper is made of. Others are what it may write itself: answers, logs, caches.
SUFFIXES = (".py", ".toml", ".json", ".yaml", ".yml", ".txt", ".onnx")

#: Files that were touched and not changed are told of no further than this: larger ones are not compared.
COMPARED_BYTES = 1 << 20

#: How often it is looked whether a folder is still the one that is watched.
LOOK_MS = 1000


class SourceFilter(DefaultFilter):
    """Passes what a wrapper is made of, by its path from its folder on: above that any name is good."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, "venv", "env", "site-packages")

    def __call__(self, change: Change, path: str) -> bool:
        """Whether an edit of a file counts."""
        return path.endswith(SUFFIXES) and super().__call__(change, path)


class Contents:
    """What was in the files of a folder when they were looked at last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._passes = SourceFilter()
        self._known: dict[str, object] = {}
        self.look_at_all()

    def look_at_all(self) -> list[str]:
        """Returns those files of the folder that are not as they were, and takes them in."""
        return self._look({*self._known, *self._sources(self._folder)})

    def look_at(self, changes: Collection[FileChange]) -> list[str]:
        """Returns those of the files that are not as they were, and takes them in."""
        inside = f"{self._folder}{os.sep}"
        return self._look(
            {found for change, path in changes if path.startswith(inside) for found in self._at(change, path)}
        )

    def _at(self, change: Change, path: str) -> Iterator[str]:
        """Yields the file, or those of a folder that came or went as a whole: each of them is not told."""
        if self._counts(change, path):
            yield path
        elif change is not Change.modified:
            yield from (known for known in self._known if known.startswith(f"{path}{os.sep}"))
            yield from self._sources(Path(path))

    def _sources(self, folder: Path) -> Iterator[str]:
        for place, folders, names in os.walk(folder):
            # An environment holds more files than all abilities together.
            folders[:] = [name for name in folders if name not in SourceFilter.ignore_dirs]
            paths = (os.path.join(place, name) for name in names)
            yield from (path for path in paths if self._counts(Change.added, path))

    def _counts(self, change: Change, path: str) -> bool:
        return self._passes(change, os.path.relpath(path, self._folder))

    def _look(self, paths: Collection[str]) -> list[str]:
        now = {path: _content(Path(path)) for path in paths}
        news = sorted(path for path, content in now.items() if content != self._known.get(path))
        self._known.update(now)
        return news


def _content(path: Path) -> object:
    try:
        status = path.stat()
        if status.st_size > COMPARED_BYTES:
            return status.st_size, status.st_mtime_ns
        return path.read_bytes()
    except OSError:
        return None


class Place:
    """A folder as it lies where its path says, or that none lies there."""

    def __init__(self, folder: Path) -> None:
        """Finds the folder, and holds it: a file system gives the number of one that is gone to the next."""
        self.folder = folder
        try:
            self._held: int | None = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        except OSError:
            self._held = None

    @property
    def is_there(self) -> bool:
        """Whether there was a folder."""
        return self._held is not None

    def has_changed(self) -> bool:
        """Whether another folder lies there now, or one where there was none."""
        try:
            now: os.stat_result | None = self.folder.stat()
        except OSError:
            now = None
        if now is None or self._held is None:
            return (now is None) != (self._held is None)
        return not os.path.samestat(now, os.fstat(self._held))

    def close(self) -> None:
        """Lets the folder go."""
        if self._held is not None:
            os.close(self._held)


def edits(folders: Sequence[Path]) -> Iterator[list[str]]:
    """Yields the files that were changed together, for ever; first those that were while the watch began."""
    contents, is_told = [Contents(folder) for folder in folders], False
    while True:
        places = [Place(folder) for folder in folders]
        try:
            for news in _looks(places, contents):
                if news or not is_told:
                    yield news
                is_told = True
        except FileNotFoundError:
            pass  # A folder went while the watch began: again, without it.
        finally:
            for place in places:
                place.close()


def _looks(places: Sequence[Place], contents: Sequence[Contents]) -> Iterator[list[str]]:
    """Yields what was changed at each look, until one of the folders is not that which is watched."""
    present, is_first = [place.folder for place in places if place.is_there], True
    # What counts is judged here: with a filter, what does not count would put off the look at the folders.
    for changes in watch(*present, watch_filter=None, rust_timeout=LOOK_MS, yield_on_timeout=True):
        # All of them once: what was edited before the watch began, it does not tell.
        news = [each.look_at_all() if is_first else each.look_at(changes) for each in contents]
        yield [path for paths in news for path in paths]
        is_first = False
        # One that was removed and made anew, as tools for versions do, is not watched any more.
        if any(place.has_changed() for place in places):
            return


def main(arguments: Sequence[str]) -> int:
    """Tells of edits until nobody reads any more; returns the exit status."""
    try:
        for news in edits([Path(argument) for argument in arguments]):
            print(json.dumps(news), flush=True)
    except BrokenPipeError:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
