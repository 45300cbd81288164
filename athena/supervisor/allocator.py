"""The memory allocator of the bundled Redis: mimalloc, which the package `cmeel-mimalloc` brings along."""

import subprocess
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from athena.plain_text import one_line, plain_line
from athena.supervisor.redis_server import RedisServer

PACKAGE = "cmeel-mimalloc"

LIBRARY = "cmeel.prefix/lib/libmimalloc.so"

PRELOAD = "LD_PRELOAD"

#: A program that only tells its version has long ended by then.
PROBE_TIMEOUT_S = 10

Probe = Callable[[Path, Mapping[str, str]], str]
Say = Callable[[str], None]


def server_environment(
    server: RedisServer, environ: Mapping[str, str], say: Say, probe: Probe | None = None
) -> dict[str, str]:
    """Returns the variables that a server gets beside `environ`.

    Nothing for a server on PATH: those of distributions are linked with an allocator that is as good.

    Args:
        server: the program.
        environ: what it gets.
        say: hears of a library that is there and cannot be loaded.
        probe: returns why a program does not start in an environment; by default it is started.
    """
    library = _library()
    if not server.is_bundled or library is None:
        return {}
    others = environ.get(PRELOAD, "")
    variables = {PRELOAD: f"{library}:{others}" if others else str(library)}
    # The linker goes on without a library that it does not find (ld.so(8)), but ends the program where it
    # does not find one that this one needs: libatomic.so.1, which small systems do not have.
    fault = (probe or fault_of)(server.path, {**environ, **variables})
    if fault:
        say(f"the embedded Redis goes without mimalloc: {fault}")
        return {}
    return variables


def fault_of(program: Path, environ: Mapping[str, str]) -> str:
    """Returns why a server does not start in an environment; "" if it does."""
    command: list[Path | str] = [program, "--version"]
    try:
        done = subprocess.run(command, env=environ, capture_output=True, timeout=PROBE_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return one_line(error)
    if not done.returncode:
        return ""
    return plain_line(done.stderr.decode(errors="replace")) or f"exit status {done.returncode}"


def _library() -> Path | None:
    try:
        path = Path(str(distribution(PACKAGE).locate_file(LIBRARY)))
    except PackageNotFoundError:
        return None
    # Both separate the libraries of this variable, and nothing takes that back.
    is_usable = path.is_file() and not {" ", ":"} & set(str(path))
    return path if is_usable else None
