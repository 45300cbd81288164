"""The wheel that `athena pack` makes of what is installed."""

import base64
import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from pathlib import Path

from athena.cli.ship.own_wheel import own_wheel, write_own_wheel


def opened() -> zipfile.ZipFile:
    return zipfile.ZipFile(io.BytesIO(own_wheel()[1]))


def test_it_holds_what_is_imported_and_nothing_else() -> None:
    names = set(opened().namelist())

    assert {"api/app.py", "athena/store/lua/lease/take.lua", "workers/process.py", "athena/py.typed"} <= names
    # Installed under names of their own, they are not there twice.
    assert "aiges/__init__.py" in names
    assert not any(name.startswith("athena/compat/aiges") for name in names)
    assert not any("__pycache__" in name or name.startswith("tests/") for name in names)


def test_the_same_files_make_the_same_wheel() -> None:
    assert own_wheel() == own_wheel()


def test_its_record_is_that_of_its_files() -> None:
    wheel = opened()
    (record,) = (name for name in wheel.namelist() if name.endswith("RECORD"))
    told = {row[0]: row[1:] for row in csv.reader(wheel.read(record).decode().splitlines())}

    assert told.keys() == set(wheel.namelist())
    for name, (digest, size) in told.items():
        if name != record:
            data = wheel.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={expected}", str(len(data)))


def test_pip_installs_it_and_it_runs(tmp_path: Path) -> None:
    wheel = write_own_wheel(tmp_path)
    target = tmp_path / "target"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
    subprocess.run([*pip, "--target", target, wheel], check=True, timeout=120)

    # The target goes before what is installed beside it.
    code = "import sys; sys.path.insert(0, sys.argv[1]); from athena import cli; print(cli); cli.main([])"
    command = [sys.executable, "-P", "-c", code, str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)

    assert f"{target}/athena/cli/__init__.py" in done.stdout
    assert "usage: athena" in done.stdout
    assert (target / "bin" / "athena").exists()
