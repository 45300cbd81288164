"""The line of an ability's source in which something went wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from athena.jobs.message import JobMessage
from workers.runtime.places import folder_of, is_own_file, place_of, read_place

SOURCE = """
import json

def direct():
    raise ValueError("no")

def through_library():
    json.loads("{")

def endless():
    endless()

class Odd(Exception):
    @property
    def __traceback__(self):
        raise RuntimeError("odd")

def odd():
    raise Odd
"""


@pytest.fixture
def module(tmp_path: Path) -> ModuleType:
    path = tmp_path / "wrapper.py"
    path.write_text(SOURCE)
    module = ModuleType("wrapper")
    module.__file__ = str(path)
    exec(compile(SOURCE, path, "exec"), module.__dict__)
    return module


def error_of(call: Callable[[], object]) -> BaseException:
    try:
        call()
    except BaseException as error:
        return error
    raise AssertionError("it raised nothing")


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("direct", "wrapper.py:5 in direct"),
        ("through_library", "wrapper.py:8 in through_library"),
        ("endless", "wrapper.py:11 in endless"),
        ("odd", ""),
    ],
)
def test_place_is_the_innermost_line_of_the_ability(module: ModuleType, name: str, place: str) -> None:
    assert place_of(error_of(getattr(module, name)), folder_of(module)) == place


def test_errors_from_elsewhere_have_no_place(module: ModuleType) -> None:
    assert place_of(error_of(lambda: json.loads("{")), folder_of(module)) == ""
    assert place_of(ValueError("never raised"), folder_of(module)) == ""
    assert place_of(error_of(lambda: json.loads("{")), "") == ""


def test_folder_is_that_of_a_class_too() -> None:
    assert folder_of(JobMessage) == ""
    assert folder_of(Path(".")).endswith("python3") or "/" in folder_of(Path("."))
    assert folder_of(object()) == ""


def test_packages_below_the_folder_are_not_its_own() -> None:
    assert is_own_file("/a/wrapper.py", "/a") and is_own_file(
        "/site-packages/a/wrapper.py", "/site-packages/a"
    )
    assert not is_own_file("/a/.venv/lib/python3.11/site-packages/x.py", "/a")
    assert not is_own_file("/ab/wrapper.py", "/a")


@pytest.mark.parametrize(
    ("place", "read"),
    [
        ("wrapper.py:18 in wrapperOnceExec", ("wrapper.py", 18)),
        ("a in b/x:y.py:7 in <listcomp>", ("a in b/x:y.py", 7)),
        ("", None),
        ("odd", None),
        ("wrapper.py:\u00b2 in f", None),
    ],
)
def test_place_is_read_again(place: str, read: tuple[str, int] | None) -> None:
    assert read_place(place) == read
