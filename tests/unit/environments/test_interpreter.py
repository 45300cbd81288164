"""Command lines and variables in another Python."""

import sys
from pathlib import Path

from athena.environments.interpreter import BOOTSTRAP, Interpreter, own_interpreter
from athena.supervisor.programs import LAUNCHER, WORKER, launched

PROGRAM = (sys.executable, "-P", "-m", "workers", "echo.cpu.0@host")


def test_program_finds_athena_behind_what_the_environment_has() -> None:
    found = Interpreter("/env/bin/python", ("/athena/site", "/more/site")).command(PROGRAM)

    folders = "/athena/site:/more/site"
    assert found == ("/env/bin/python", "-P", str(BOOTSTRAP), folders, "-m", "workers", "echo.cpu.0@host")


def test_own_python_runs_it_as_it_is() -> None:
    assert own_interpreter().command(PROGRAM) == PROGRAM
    assert own_interpreter().environment({"PATH": "/bin"}) == {"PATH": "/bin"}


def test_programs_of_an_environment_come_first(tmp_path: Path) -> None:
    python = Interpreter(str(tmp_path / "bin" / "python"))
    assert python.environment({"PATH": "/bin", "A": "b"}) == {"PATH": f"{tmp_path}/bin:/bin", "A": "b"}

    (tmp_path / "pyvenv.cfg").touch()

    assert python.environment({"PATH": "/bin"})["VIRTUAL_ENV"] == str(tmp_path)


def test_launcher_is_told_what_to_become() -> None:
    assert launched((*WORKER, "echo.cpu.0@host")) == (*LAUNCHER, "-m", "workers", "echo.cpu.0@host")
