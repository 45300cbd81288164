"""`athena create` and `athena pack`: from nothing to an archive."""

import gzip
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from athena import cli
from athena.cli.ship.own_wheel import own_wheel

ROOT = Path(__file__).resolve().parents[2]
ECHO = ROOT / "abilities" / "echo"


@pytest.fixture
def made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A new ability, as the command writes it."""
    assert cli.main(["create", "words", "--path", str(tmp_path)]) == 0
    capsys.readouterr()
    return tmp_path / "words"


def files(archive: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive) as opened:
        return {item.name: item for item in opened}


def test_what_is_created_passes_its_own_tests(made: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=120)

    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_what_is_created_answers(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", str(made), "--input", "text=to be", "--param", "upper=true", "--json"]) == 0

    assert '"message": "success"' in capsys.readouterr().out


def test_what_is_created_runs_alone(made: Path) -> None:
    done = subprocess.run(
        [sys.executable, "wrapper.py"], cwd=made, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0
    assert "the answer is verified: result" in done.stderr


def test_nothing_is_written_over(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "wrapper.py").write_text("mine")

    assert cli.main(["create", "words", "--path", str(made.parent)]) == 78
    assert "is there already" in capsys.readouterr().err
    assert (made / "wrapper.py").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"), [("../words", "must be 1 to 64"), ("", "must be 1"), ("docs", "reserved")]
)
def test_a_name_that_cannot_be_served_is_refused(
    tmp_path: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["create", name, "--path", str(tmp_path)]) == 78
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_archive_depends_on_the_files_alone(made: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.tar.gz", tmp_path / "second.tar.gz"
    assert cli.main(["pack", str(made), "--out", str(first)]) == 0

    for path in made.rglob("*"):
        os.utime(path, (1, 1))
    (made / "__pycache__").mkdir(exist_ok=True)
    (made / "__pycache__" / "wrapper.pyc").write_bytes(b"x")
    (made / "wrapper.py").chmod(0o600)
    assert cli.main(["pack", str(made), "--out", str(second)]) == 0

    assert first.read_bytes() == second.read_bytes()
    packed = files(first)
    assert sorted(packed) == list(packed)
    assert {"Dockerfile", "wrapper.py", "requirements.txt", "tests/test_wrapper.py"} <= set(packed)
    assert {(item.uid, item.gid, item.mtime) for item in packed.values()} == {(0, 0, 0)}


def test_an_archive_is_the_context_of_an_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ability without a Dockerfile gets one, at the top, where `docker build -` looks for it."""
    wheel = tmp_path / "athena_serving-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w"):
        pass
    out = tmp_path / "echo.tar.gz"

    assert cli.main(["pack", str(ECHO), "--out", str(out), "--wheel", str(wheel)]) == 0

    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(out.read_bytes()))) as archive:
        names = archive.getnames()
        dockerfile = archive.extractfile("Dockerfile")
        assert dockerfile is not None
        assert b"athena" in dockerfile.read()
    assert f"wheels/{wheel.name}" in names
    assert [name for name in names if name.endswith(".whl")] == [f"wheels/{wheel.name}"]
    assert "sha256" in capsys.readouterr().out


def test_an_archive_holds_the_athena_that_made_it(made: Path, tmp_path: Path) -> None:
    out = tmp_path / "words.tar.gz"

    assert cli.main(["pack", str(made), "--out", str(out)]) == 0

    name, wheel = own_wheel()
    with tarfile.open(out) as archive:
        packed = archive.extractfile(f"wheels/{name}")
        assert packed is not None
        assert packed.read() == wheel


def test_an_archive_beside_the_wrapper_does_not_hold_itself(made: Path) -> None:
    out = made / "words.tar.gz"

    assert cli.main(["pack", str(made), "--out", str(out)]) == 0
    first = out.read_bytes()
    assert cli.main(["pack", str(made), "--out", str(out)]) == 0

    assert out.read_bytes() == first


def test_secrets_stay_here_and_are_named(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (made / ".env").write_text("TOKEN=x")
    (made / ".ssh").mkdir()
    (made / ".ssh" / "config").touch()
    (made / ".ssh" / "away").symlink_to("/etc/passwd")
    (made / "certificates").mkdir()
    (made / "certificates" / "server.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    out = tmp_path / "words.tar.gz"

    assert cli.main(["pack", str(made), "--out", str(out)]) == 0

    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(out.read_bytes()))) as archive:
        names = archive.getnames()
    assert [name for name in names if re.search(r"\.env|ssh|pem", name)] == []
    assert "wrapper.py" in names
    assert "secret: .env, .ssh, certificates/server.pem\n" in capsys.readouterr().err


def test_a_link_that_leads_out_is_refused(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "secret").symlink_to("/etc/passwd")

    assert cli.main(["pack", str(made), "--out", str(made / "x")]) == 78
    assert "leads out of the ability's folder" in capsys.readouterr().err
    assert not (made / "x").exists()


def test_a_broken_source_is_not_packed(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (made / "wrapper.py").write_text("def f(:\n")

    assert cli.main(["pack", str(made), "--out", str(made / "x")]) == 78
    assert "wrapper.py:1" in capsys.readouterr().err


def aiges(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "aiges", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)


def test_the_commands_of_the_original_sdk_work(tmp_path: Path) -> None:
    """In a project as its tool has laid it out: the wrapper is in the folder `wrapper`."""
    created = aiges("create", "-n", "demo", "-p", str(tmp_path), cwd=tmp_path)
    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "demo").rename(project / "wrapper")

    ran = aiges("run", cwd=project)
    packed = aiges("pack", "-l", "wrapper", "-o", ".", cwd=project)
    lost = aiges("run", cwd=tmp_path)

    assert created.returncode == 0, created.stderr
    assert '"count": 2' in ran.stdout
    assert packed.returncode == 0
    assert "wrapper.py" in files(project / "pywrapper.tar.gz")
    assert lost.returncode == 78
    assert "name it with -l" in lost.stderr


def test_a_folder_around_a_wrapper_says_where_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrapper").mkdir()
    (tmp_path / "wrapper" / "wrapper.py").write_text("")

    assert cli.main(["check", str(tmp_path)]) == 78
    assert f"did you mean {tmp_path / 'wrapper'}?" in capsys.readouterr().err
