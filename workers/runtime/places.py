"""Where in the source of an ability something went wrong."""

import sys
from pathlib import PurePath
from types import ModuleType, TracebackType

from athena.plain_text import plain_line

MAX_CHARS = 200


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
    found = [(path, line, name) for path, line, name in frames if folder and path.startswith(f"{folder}/")]
    if not found:
        return ""
    path, line, name = found[-1]
    return plain_line(f"{path[len(folder) + 1 :]}:{line} in {name}", MAX_CHARS)


def _frames(traceback: TracebackType | None) -> list[tuple[str, int, str]]:
    found = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        found.append((code.co_filename, traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return found
