"""Copies of the embedded Redis' data: made while it runs, and put back where there are no others."""

import contextlib
import fcntl
import os
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import redis
from redis.exceptions import RedisError

from athena.errors import ConfigError
from athena.store.address import socket_path
from athena.supervisor.data_folder import UMASK
from athena.supervisor.embedded_redis import prepare_folders
from athena.supervisor.redis_server import AOF_FOLDER, NOTE_NAME

#: At which growth Redis rewrites its file; 0 keeps it from that.
_GROWTH = "auto-aof-rewrite-percentage"

#: What that is by itself.
_OWN_GROWTH = "100"

#: A rewrite that runs already may take as long as this.
_REWRITE_S = 600.0


def back_up(data_dir: Path, target: Path) -> int:
    """Writes an archive of a data folder, whose Redis may run; returns its size.

    What is there is a prefix of what Redis has accepted, as after a power cut at some moment during the copy.

    Raises:
        ConfigError: there is no data, it cannot be read or written, or another backup of it is being made.
    """
    if not (data_dir / AOF_FOLDER).is_dir():
        raise ConfigError(f"{data_dir} holds no data of an embedded Redis; name its folder with --data")
    new = target.with_name(f"{target.name}.new")
    try:
        with (
            _alone(data_dir),
            _without_rewrites(data_dir),
            open(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file,
        ):
            with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1) as archive:
                for path in _files(data_dir):
                    _add(archive, path, path.relative_to(data_dir).as_posix())
            os.fsync(file.fileno())
        new.rename(target)
    except (OSError, RedisError) as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise ConfigError(f"cannot back up {data_dir} to {target}: {error}") from None
    return target.stat().st_size


def restore(source: Path, data_dir: Path) -> None:
    """Puts an archive's data into a folder without any.

    Raises:
        ConfigError: there is data already, or the file is no such archive.
    """
    if (data_dir / AOF_FOLDER).exists():
        raise ConfigError(f"there is data in {data_dir}: move it away, or name another folder with --data")
    prepare_folders(data_dir)
    before = os.umask(UMASK)
    try:
        with tarfile.open(source) as archive:
            # Python 3.12 and 3.13 warn where nobody says what may be unpacked; `_checked` does.
            archive.extraction_filter = lambda entry, folder: entry
            members = [_checked(entry, source) for entry in archive]
            for entry in members:
                archive.extract(entry, data_dir, set_attrs=False)
    except (OSError, tarfile.TarError) as error:
        raise ConfigError(f"cannot restore {source} to {data_dir}: {error}") from None
    finally:
        os.umask(before)


def _files(data_dir: Path) -> Iterator[Path]:
    # The manifest first: what it names stays until the copy is done, what is newer is not missed.
    files = (data_dir / AOF_FOLDER).iterdir()
    yield from sorted(files, key=lambda path: (path.suffix != ".manifest", path.name))
    if (data_dir / NOTE_NAME).exists():
        yield data_dir / NOTE_NAME


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as file:
        entry = tarfile.TarInfo(name)
        # As long as it is now: it grows while it is read.
        entry.size = os.fstat(file.fileno()).st_size
        entry.mode, entry.mtime = 0o600, int(time.time())
        archive.addfile(entry, file)


def _checked(entry: tarfile.TarInfo, source: Path) -> tarfile.TarInfo:
    folder, _, name = entry.name.rpartition("/")
    is_ours = entry.isfile() and name and (folder == AOF_FOLDER or (not folder and name == NOTE_NAME))
    if not is_ours:
        raise ConfigError(f"{source} is no backup of Athena: it holds {entry.name}")
    return entry


@contextlib.contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """Refuses a backup beside another one, which would take what that has set for what was set before."""
    folder = os.open(data_dir / AOF_FOLDER, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"another backup of {data_dir} is being made; wait until it has ended"
            ) from None
        yield
    finally:
        os.close(folder)


@contextlib.contextmanager
def _without_rewrites(data_dir: Path) -> Iterator[None]:
    """Keeps Redis from replacing its files meanwhile, if it runs."""
    with redis.Redis(unix_socket_path=str(socket_path(data_dir)), socket_timeout=30, protocol=2) as client:
        try:
            growth = client.config_get(_GROWTH)[_GROWTH]
        except redis.ConnectionError:
            yield
            return
        # What a backup leaves that is killed.
        growth = _OWN_GROWTH if growth == "0" else growth
        client.config_set(_GROWTH, 0)
        try:
            _wait(lambda: not _rewrites(client))
            yield
        finally:
            client.config_set(_GROWTH, growth)


def _rewrites(client: "redis.Redis") -> bool:
    found = client.info("persistence")
    return bool(found["aof_rewrite_in_progress"] or found["aof_rewrite_scheduled"])


def _wait(is_over: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _REWRITE_S
    while not is_over():
        if time.monotonic() > deadline_s:
            raise ConfigError("Redis has been rewriting its file for too long; try again")
        time.sleep(0.1)
