"""Personalised resources: loaded once, the least used one makes room."""

from pathlib import Path
from typing import Any

import pytest

from athena.errors import WrapperError
from athena.sdk import DataListCls
from workers.runtime.resources import Resources, read_resource


class Shelf:
    """Notes what is loaded and unloaded; fails on request."""

    def __init__(self, answer: Any = 0) -> None:
        self.notes: list[str] = []
        self.answer = answer

    def load(self, inputs: DataListCls, name: Any) -> Any:
        self.notes.append(f"+{name!r}")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def unload(self, name: Any) -> None:
        self.notes.append(f"-{name!r}")
        raise RuntimeError("stuck")


def resources(shelf: Shelf, folder: Path, max_loaded: int = 2) -> Resources:
    return Resources(shelf.load, shelf.unload, folder, max_loaded)


def use(loaded: Resources, *names: str) -> None:
    for name in names:
        with loaded.use(name):
            pass


def test_resource_is_loaded_once_and_the_least_used_one_goes_first(tmp_path: Path) -> None:
    shelf = Shelf()

    use(resources(shelf, tmp_path), "a", "b", "a", "7", "a", "b")

    assert shelf.notes == ["+'a'", "+'b'", "-'b'", "+7", "-7", "+'b'"]


def test_resource_in_use_is_not_unloaded(tmp_path: Path) -> None:
    shelf = Shelf()
    loaded = resources(shelf, tmp_path, max_loaded=1)

    with loaded.use("a") as name:
        use(loaded, "b", "c")

    assert name == "a"
    assert shelf.notes == ["+'a'", "+'b'", "-'b'", "+'c'"]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (5, "resource 'a' cannot be loaded: wrapperLoadRes returned 5"),
        (ValueError("bad file"), "resource 'a' cannot be loaded: ValueError: bad file"),
    ],
)
def test_resource_that_cannot_be_loaded_is_tried_again(tmp_path: Path, answer: Any, message: str) -> None:
    shelf = Shelf(answer)
    loaded = resources(shelf, tmp_path)

    with pytest.raises(WrapperError) as error:
        use(loaded, "a")
    shelf.answer = 0
    use(loaded, "a")

    assert (error.value.code, error.value.message) == (10903, message)
    assert shelf.notes == ["+'a'", "+'a'"]


def test_all_are_unloaded_at_the_end(tmp_path: Path) -> None:
    shelf = Shelf()
    loaded = resources(shelf, tmp_path)
    use(loaded, "a", "b")

    loaded.close()

    assert shelf.notes[2:] == ["-'a'", "-'b'"]


def test_files_of_a_resource_become_inputs(tmp_path: Path) -> None:
    (tmp_path / "words").write_bytes(b"one file")
    (tmp_path / "voice").mkdir()
    (tmp_path / "voice" / "b.bin").write_bytes(b"2")
    (tmp_path / "voice" / "a.bin").write_bytes(b"1")

    found = [
        [(node.key, node.data) for node in read_resource(tmp_path, name).list] for name in ("words", "voice")
    ]

    assert found == [[("words", b"one file")], [("a.bin", b"1"), ("b.bin", b"2")]]


@pytest.mark.parametrize("name", ["nobody", "..", ".", "../secret", "/etc/passwd", "sub/file"])
def test_name_that_is_none_finds_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "file").write_bytes(b"x")
    (tmp_path / "secret").write_bytes(b"x")

    assert read_resource(tmp_path / "in", name).list == []
