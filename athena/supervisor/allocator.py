"""The memory allocator of the bundled Redis: mimalloc, which the package `cmeel-mimalloc` brings along."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from athena.supervisor.redis_server import RedisServer

PACKAGE = "cmeel-mimalloc"

LIBRARY = "cmeel.prefix/lib/libmimalloc.so"

#: The dynamic linker tells of a library that cannot be loaded, and goes on without it (ld.so(8)).
PRELOAD = "LD_PRELOAD"


def server_environment(server: RedisServer, environ: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables that a server gets beside `environ`.

    Nothing for a server on PATH: those of distributions are linked with an allocator that is as good.
    """
    library = _library()
    if not server.is_bundled or library is None:
        return {}
    others = environ.get(PRELOAD, "")
    return {PRELOAD: f"{library}:{others}" if others else str(library)}


def _library() -> Path | None:
    try:
        path = Path(str(distribution(PACKAGE).locate_file(LIBRARY)))
    except PackageNotFoundError:
        return None
    # Both separate the libraries of this variable, and nothing takes that back.
    is_usable = path.is_file() and not {" ", ":"} & set(str(path))
    return path if is_usable else None
