"""Where in the source of an ability something went wrong."""

import sys
from pathlib import PurePath
from types import ModuleType, TracebackType

from athena.plain_text import plain_line

MAX_CHARS = 200

#: Folders of what was installed.
PACKAGES = frozenset({"site-packages", "dist-packages"})


def folder_of(wrapper: object) -> str:
    """Returns the folder of the file that a wrapper, an instance or a module, comes from; "" if unknown."""
    module = wrapper if isinstance(wrapper, ModuleType) else sys.modules.get(type(wrapper).__module__)
    path = getattr(module, "__file__", None)
    return str(PurePath(path).parent) if isinstance(path, str) else ""


def place_of(error: BaseException, folder: str) -> str:
    """Returns the innermost line of a folder in an exception's traceback: `file:line in function`.

    "" where it leads through none: an error code, an answer that does not fit.
    """
    try:
        frames = _frames(error.__traceback__)
    except BaseException:
        # An exception of a wrapper may be anything; its place is worth no second failure.
        return ""
    found = [(path, line, name) for path, line, name in frames if folder and is_own_file(path, folder)]
    if not found:
        return ""
    path, line, name = found[-1]
    return plain_line(f"{path[len(folder) + 1 :]}:{line} in {name}", MAX_CHARS)


def with_place(text: str, error: BaseException, folder: str) -> str:
    """Returns what is told of an error, and in which line of an ability's source it was raised."""
    place = place_of(error, folder)
    return f"{text} ({place})" if place else text


def is_own_file(path: str, folder: str) -> bool:
    """Whether a source file is an ability's own; packages in an environment below its folder are not."""
    below = path.removeprefix(f"{folder}/")
    return below != path and PACKAGES.isdisjoint(PurePath(below).parts)


def read_place(place: str) -> tuple[str, int] | None:
    """Returns the file, below its folder, and the line of what `place_of` returned; None for ""."""
    path, _, line = place.rpartition(" in ")[0].rpartition(":")
    return (path, int(line)) if path and line.isascii() and line.isdigit() else None


def _frames(traceback: TracebackType | None) -> list[tuple[str, int, str]]:
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append((code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return found
