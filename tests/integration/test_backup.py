"""Copies of the embedded Redis' data."""

import io
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from athena import cli
from athena.errors import ConfigError
from athena.supervisor import backup
from athena.supervisor.backup import back_up, restore
from athena.supervisor.embedded_redis import prepare_folders
from athena.supervisor.redis_server import find_server, note_server
from tests.integration.test_embedded import served

pytestmark = pytest.mark.redis


@pytest.fixture
def top() -> Iterator[Path]:
    """A short path, as a unix socket needs it."""
    path = Path(tempfile.mkdtemp(prefix="athena-test-"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def folder(top: Path) -> Path:
    path = top / "data"
    prepare_folders(path)
    note_server(path, find_server())
    return path


def test_what_was_written_before_is_there_again(top: Path, folder: Path) -> None:
    with served(folder) as client:
        client.set("before", "x" * 100_000)
        client.config_set("auto-aof-rewrite-percentage", 50)
        back_up(folder, top / "backup.tar.gz")
        client.set("after", "1")

        assert client.config_get("auto-aof-rewrite-percentage") == {"auto-aof-rewrite-percentage": "50"}

    restore(top / "backup.tar.gz", top / "other")

    with served(top / "other") as client:
        assert client.get("before") == b"x" * 100_000
        assert client.get("after") is None


def test_a_file_that_is_rewritten_meanwhile_is_whole(top: Path, folder: Path) -> None:
    with served(folder) as client:
        for number in range(200):
            client.set(f"key {number}", "x" * 10_000)
        client.bgrewriteaof()
        back_up(folder, top / "backup.tar.gz")

    restore(top / "backup.tar.gz", top / "other")

    with served(top / "other") as client:
        assert client.dbsize() == 200


def test_backup_beside_another_one_is_refused_and_changes_nothing(
    top: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals: list[ConfigError] = []
    files = backup._files

    def files_while_another_one_begins(data_dir: Path) -> Iterator[Path]:
        with pytest.raises(ConfigError) as refused:
            back_up(folder, top / "backup.tar.gz")
        refusals.append(refused.value)
        yield from files(data_dir)

    monkeypatch.setattr(backup, "_files", files_while_another_one_begins)
    with served(folder) as client:
        client.set("kept", "1")
        back_up(folder, top / "backup.tar.gz")

        assert client.config_get("auto-aof-rewrite-percentage") == {"auto-aof-rewrite-percentage": "100"}

    assert [error.message for error in refusals] == [
        f"another backup of {folder} is being made; wait until it has ended"
    ]
    restore(top / "backup.tar.gz", top / "other")
    with served(top / "other") as client:
        assert client.get("kept") == b"1"


def test_what_a_killed_backup_has_left_is_set_right(top: Path, folder: Path) -> None:
    with served(folder) as client:
        client.set("kept", "1")
        client.config_set("auto-aof-rewrite-percentage", 0)

        back_up(folder, top / "backup.tar.gz")

        assert client.config_get("auto-aof-rewrite-percentage") == {"auto-aof-rewrite-percentage": "100"}


def test_a_folder_whose_redis_has_ended_is_copied_too(top: Path, folder: Path) -> None:
    with served(folder) as client:
        client.set("kept", "1")

    assert cli.main(["backup", str(top / "backup.tar.gz"), "--data", str(folder)]) == 0
    assert cli.main(["restore", str(top / "backup.tar.gz"), "--data", str(top / "other")]) == 0

    assert (top / "backup.tar.gz").stat().st_mode & 0o077 == 0
    assert (top / "other" / "server").read_text() == (folder / "server").read_text()
    with served(top / "other") as client:
        assert client.get("kept") == b"1"


def test_data_is_not_written_over(top: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with served(folder):
        back_up(folder, top / "backup.tar.gz")

    assert cli.main(["restore", str(top / "backup.tar.gz"), "--data", str(folder)]) == 78
    assert "there is data in" in capsys.readouterr().err


def test_an_archive_that_leads_elsewhere_is_refused(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tarfile.open(top / "evil.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("appendonlydir/../../outside"), io.BytesIO())

    assert cli.main(["restore", str(top / "evil.tar.gz"), "--data", str(top / "other")]) == 78
    assert "is no backup of Athena" in capsys.readouterr().err
    assert not (top / "outside").exists()


def test_without_data_there_is_no_backup(top: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["backup", str(top / "backup.tar.gz"), "--data", str(top / "none")]) == 78
    assert "holds no data" in capsys.readouterr().err
    assert list(top.iterdir()) == []


def test_another_redis_is_not_taken_for_the_embedded_one(
    top: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATHENA_REDIS_URL", "redis://queue.example:6379/0")

    assert cli.main(["backup", str(top / "backup.tar.gz")]) == 78
    assert "by its own means" in capsys.readouterr().err
