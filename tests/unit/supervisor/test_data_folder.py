"""Who may read the folder with all inputs and results."""

import os
import re
import stat
from pathlib import Path

import pytest

from athena.errors import ConfigError
from athena.supervisor.data_folder import open_folder, volume_fault

KNOWN = "lock"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_folder_is_made_closed(tmp_path: Path) -> None:
    open_folder(tmp_path / "a" / "b", KNOWN)

    assert mode(tmp_path / "a" / "b") == 0o700


@pytest.mark.parametrize("names", [(), ("lock", "redis.log"), ("lost+found",)])
def test_open_folder_of_ours_is_closed(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / name).touch()
    tmp_path.chmod(0o755)

    open_folder(tmp_path, KNOWN)

    assert mode(tmp_path) == 0o700


def test_open_folder_that_holds_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "homework").touch()
    tmp_path.chmod(0o755)

    with pytest.raises(ConfigError, match=re.escape(f"chmod 700 {tmp_path}); or choose another with --data")):
        open_folder(tmp_path, KNOWN)

    assert mode(tmp_path) == 0o755


def test_folder_that_a_group_shares_stays_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o2770)

    open_folder(tmp_path, KNOWN)

    assert mode(tmp_path) == 0o2770


@pytest.mark.parametrize(
    ("owner", "gid", "folder_mode", "fault"),
    [
        (0, 12345, 0o2770, ""),  # fsGroup
        (0, 12345, 0o2777, ""),  # an emptyDir with fsGroup
        (0, 0, 0o777, ""),  # an emptyDir
        (1001, 0, 0o770, ""),  # OpenShift: a folder of an image, and any user of group 0
        (0, 0, 0o1777, "everybody may write"),  # /tmp
        (1001, 0, 0o777, "everybody may write"),
    ],
)
def test_folder_of_another_user_is_used_if_it_was_given_to_us(
    owner: int, gid: int, folder_mode: int, fault: str
) -> None:
    found = os.stat_result((stat.S_IFDIR | folder_mode, 0, 0, 2, owner, gid, 0, 0, 0, 0))

    assert fault in volume_fault(found, 4242, {0, 12345})
    assert bool(volume_fault(found, 4242, {0, 12345})) == bool(fault)


@pytest.mark.parametrize(("gid", "is_used"), [(0, True), (1001, False)])
def test_root_uses_others_folders_by_their_group_only(gid: int, is_used: bool) -> None:
    found = os.stat_result((stat.S_IFDIR | 0o770, 0, 0, 2, 1001, gid, 0, 0, 0, 0))

    assert (volume_fault(found, 0, {0}) == "") is is_used


def test_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigError, match=r"cannot use the data folder .*/file/data"):
        open_folder(tmp_path / "file" / "data", KNOWN)
