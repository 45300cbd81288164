"""The folder in which the embedded Redis keeps all inputs and results: who may read it."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

from athena.errors import ConfigError

#: What Redis makes is for its own user alone, in whatever folder.
UMASK = 0o077

OTHERS = stat.S_IRWXO
GROUP_AND_OTHERS = stat.S_IRWXG | stat.S_IRWXO

#: What a file system has by itself.
LOST = "lost+found"


def open_folder(folder: Path, known: str) -> None:
    """Makes a folder if need be, and sees to it that nobody else reads what will be in it.

    Args:
        folder: where.
        known: name of a file by which a folder of ours is known that others can read.

    Raises:
        ConfigError: it cannot be used; the message says why, and what to do.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
        if found.st_uid == os.getuid():
            _close(folder, found, known)
        else:
            _check_volume(folder, found)
            _close_files(folder)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"cannot use the data folder {folder}: {error.strerror}; choose another with --data"
        ) from None


def volume_fault(found: os.stat_result, uid: int, groups: Collection[int]) -> str:
    """Returns why a folder of another user is not used; "" for one that was given to us.

    Kubernetes gives a volume to a group (fsGroup), OpenShift an image's folder to group 0; an emptyDir is
    root's and open to all of its pod.

    Args:
        found: the folder.
        uid: ours.
        groups: ours.
    """
    if found.st_mode & stat.S_IWOTH:
        # The system's temporary folder is root's and open to all as well; its sticky bit gives it away.
        is_empty_dir = found.st_uid == 0 and not found.st_mode & stat.S_ISVTX
        return "" if is_empty_dir else "belongs to another user, and everybody may write into it"
    # Root may write anywhere, which says nothing of whom the folder was given to.
    if uid == 0 and not (found.st_mode & stat.S_IWGRP and found.st_gid in groups):
        return "belongs to another user"
    return ""


def check_own(folder: Path) -> None:
    """Refuses a folder of somebody else.

    Raises:
        ConfigError: it is one.
    """
    if folder.stat().st_uid != os.getuid():
        raise _refusal(folder, "belongs to another user")


def _close(folder: Path, found: os.stat_result, known: str) -> None:
    """Closes a folder of ours that others can enter, unless it is for other things too, such as a home."""
    # A group may go on sharing it: what Redis makes in it is for its own user all the same.
    if not found.st_mode & OTHERS:
        return
    names = {path.name for path in folder.iterdir()} - {LOST}
    if names and known not in names:
        raise _refusal(
            folder, f"is open to other users and holds other things; close it (chmod 700 {folder})"
        )
    folder.chmod(stat.S_IMODE(found.st_mode) & ~GROUP_AND_OTHERS)
    # Looked at again: some file systems, such as shares of Windows, take a mode and keep their own.
    if folder.stat().st_mode & OTHERS:
        raise _refusal(folder, "is open to other users and cannot be closed")


def _check_volume(folder: Path, found: os.stat_result) -> None:
    # The effective group need not be among the others (getgroups(2)).
    fault = volume_fault(found, os.getuid(), {os.getegid(), *os.getgroups()})
    if not fault and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        fault = "belongs to another user, and we may not write into it"
    if fault:
        raise _refusal(folder, fault)


def _close_files(folder: Path) -> None:
    """Closes what is ours in a folder that is not; a version without a umask may have made it."""
    for path in folder.iterdir():
        found = path.lstat()
        # A link's own mode says nothing, and `chmod` would change the file that it leads to.
        is_open = found.st_mode & GROUP_AND_OTHERS and not stat.S_ISLNK(found.st_mode)
        if is_open and found.st_uid == os.getuid():
            path.chmod(stat.S_IMODE(found.st_mode) & ~GROUP_AND_OTHERS)


def _refusal(folder: Path, why: str) -> ConfigError:
    return ConfigError(f"the data folder {folder} {why}; or choose another with --data")
