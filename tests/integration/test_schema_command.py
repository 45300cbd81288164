"""`athena schema` on real abilities, whose wrappers it imports in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from athena import cli
from athena.ability.aiges_import import import_document
from athena.cli.author.schema import describe
from athena.errors import ConfigError

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "abilities" / "echo"
MMOCR = ROOT / "abilities" / "mmocr"
V1_STYLE = ROOT / "tests" / "abilities" / "v1_style"

#: An ability whose wrapper says things while it is imported, by Python and past it.
NOISY = """
import os
from athena.sdk import StringBodyField, WrapperBase

print("from Python")
os.write(1, b"past Python\\n")


class UserRequest:
    text = StringBodyField(key="text")


class Wrapper(WrapperBase):
    requestCls = UserRequest()
"""


def run(*arguments: str) -> tuple[int, str, str]:
    """Runs the command; returns exit status, output and error output."""
    command = [sys.executable, "-m", "athena", "schema", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Returns what the command prints."""
    assert cli.main(["schema", *arguments]) == 0
    return json.loads(capsys.readouterr().out)


def ability(folder: Path, wrapper: str) -> Path:
    """Writes an ability with this wrapper."""
    folder.mkdir()
    (folder / "wrapper.py").write_text(wrapper)
    return folder


@pytest.mark.parametrize("path", [ECHO, MMOCR], ids=lambda path: path.name)
def test_json_schema_accepts_the_example(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    schemas = document(capsys, str(path))

    request = Draft202012Validator(schemas["request"])
    example = json.loads((path / "example.json").read_text())
    assert request.is_valid(example)
    assert not request.is_valid({**example, "more": 1})
    assert schemas["answer"]["properties"]["payload"]["properties"]


@pytest.mark.parametrize("path", [ECHO, MMOCR], ids=lambda path: path.name)
@pytest.mark.parametrize("shape", ["upstream", "upstream-legacy"])
def test_upstream_document_can_be_read_again(
    path: Path, shape: str, capsys: pytest.CaptureFixture[str]
) -> None:
    read = import_document(document(capsys, str(path), "--format", shape))

    interface = describe(path, 60)
    assert read.service_id == interface.service_id
    assert [spec.key for spec in read.inputs] == [spec.key for spec in interface.inputs]
    assert [spec.key for spec in read.outputs] == [spec.key for spec in interface.outputs]


def test_openapi_has_the_path_of_the_ability(capsys: pytest.CaptureFixture[str]) -> None:
    shown = document(capsys, str(MMOCR), "--format", "openapi")

    assert "/v1/private/mmocr" in shown["paths"]


def test_ability_that_declares_nothing_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    shown = document(capsys, str(V1_STYLE))

    assert describe(V1_STYLE, 60).is_permissive
    assert shown["request"]["properties"]["payload"]["type"] == "object"


def test_what_the_wrapper_prints_does_not_mix_with_the_document(tmp_path: Path) -> None:
    status, out, err = run(str(ability(tmp_path / "noisy", NOISY)))

    assert status == 0
    assert json.loads(out)["request"]["title"] == "noisy v1: request"
    assert sorted(err.splitlines()) == ["from Python", "past Python"]


@pytest.mark.parametrize(
    ("wrapper", "reason"),
    [
        ("import no_such_module", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("import sys; sys.exit(3)", "cannot be loaded: SystemExit: 3"),
        ("def f(:", "cannot be loaded: SyntaxError: "),
        ("x = 1", "defines no class Wrapper"),
        ("import os; os._exit(4)", "ended its process (status 4)"),
        ("import ctypes; ctypes.string_at(0)", "ended its process (status -11)"),
    ],
)
def test_broken_ability_ends_with_one_line(tmp_path: Path, wrapper: str, reason: str) -> None:
    status, out, err = run(str(ability(tmp_path / "broken", wrapper)))

    assert (status, out) == (78, "")
    assert err.startswith("athena: ")
    assert reason in err
    assert len(err.splitlines()) == 1


def test_what_a_broken_wrapper_printed_is_shown_before_the_reason(tmp_path: Path) -> None:
    status, _, err = run(str(ability(tmp_path / "broken", "print('so far')\n1 / 0")))

    first, last = err.splitlines()
    assert (status, first) == (78, "so far")
    assert "cannot be loaded: ZeroDivisionError: division by zero (" in last


def test_threads_that_the_wrapper_has_started_do_not_hold_the_command(tmp_path: Path) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"

    assert run(str(ability(tmp_path / "busy", thread + NOISY)))[0] == 0


def test_import_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    path = ability(tmp_path / "slow", "import time; time.sleep(60)")

    with pytest.raises(ConfigError, match=r"took longer than 0\.5 s"):
        describe(path, 0.5)


def test_folder_without_wrapper_is_refused(tmp_path: Path) -> None:
    status, _, err = run(str(tmp_path))

    assert status == 78
    assert "holds no wrapper.py" in err
