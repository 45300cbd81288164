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

#: What a wrapper is made of. Others are what it may write itself: answers, logs, caches.
SUFFIXES = (".py", ".toml", ".json", ".yaml", ".yml", ".txt", ".onnx")

#: Files that were touched and not changed are told of no further than this: larger ones are not compared.
COMPARED_BYTES = 1 << 20

#: How often it is looked whether a folder is still the one that is watched.
LOOK_MS = 1000


class SourceFilter(DefaultFilter):
    """Passes what a wrapper is made of."""

    ignore_dirs = (*DefaultFilter.ignore_dirs, "venv", "env", "site-packages")

    def __call__(self, change: Change, path: str) -> bool:
        """Whether an edit of a file counts."""
        return path.endswith(SUFFIXES) and super().__call__(change, path)


class Contents:
    """What was in the files of some folders when they were looked at last."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = folders
        self._known: dict[str, object] = {}
        self.all_changed()

    def all_changed(self) -> list[str]:
        """Looks at all files (see `changed`)."""
        return self.changed({*self._known, *(path for folder in self._folders for path in _sources(folder))})

    def changed(self, paths: Collection[str]) -> list[str]:
        """Returns those of the files that are not as they were, and takes them in."""
        now = {path: _content(Path(path)) for path in paths}
        news = sorted(path for path, content in now.items() if content != self._known.get(path))
        self._known.update(now)
        return news


def _sources(folder: Path) -> Iterator[str]:
    passes = SourceFilter()
    for place, folders, names in os.walk(folder):
        # An environment holds more files than all abilities together.
        folders[:] = [name for name in folders if name not in SourceFilter.ignore_dirs]
        yield from (path for name in names if passes(Change.added, path := os.path.join(place, name)))


def _content(path: Path) -> object:
    try:
        status = path.stat()
        if status.st_size > COMPARED_BYTES:
            return status.st_size, status.st_mtime_ns
        return path.read_bytes()
    except OSError:
        return None


def edits(folders: Sequence[Path]) -> Iterator[list[str]]:
    """Yields the files that were changed together, for ever; first those that were while the watch began."""
    contents, is_told = Contents(folders), False
    while True:
        places, is_first = _places(folders), True
        present = [folder for folder, place in places.items() if place is not None]
        watched = watch(*present, watch_filter=SourceFilter(), rust_timeout=LOOK_MS, yield_on_timeout=True)
        for changes in watched:
            # All of them once: what was edited before the watch began, it does not tell.
            news = contents.all_changed() if is_first else contents.changed({path for _, path in changes})
            if news or not is_told:
                yield news
            is_first, is_told = False, True
            # One that was removed and made anew, as tools for versions do, is not watched any more.
            if _places(folders) != places:
                break


def _places(folders: Sequence[Path]) -> dict[Path, tuple[int, int] | None]:
    """Returns which folder lies where; None where there is none."""
    places: dict[Path, tuple[int, int] | None] = {}
    for folder in folders:
        try:
            status = folder.stat()
            places[folder] = status.st_dev, status.st_ino
        except OSError:
            places[folder] = None
    return places


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
