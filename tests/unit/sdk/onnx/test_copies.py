"""Copies of models: made once, found again, made anew when a model has changed, forgotten when unused."""

import fcntl
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from athena.sdk.onnx.copies import KEPT_S, MAKING_S, NOTE, Copies

RECIPE = "onnxruntime 1, a processor"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"a model of many weights")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


class Writer:
    """Writes copies, and counts them."""

    def __init__(self, model: Path) -> None:
        self._model = model
        self.count = 0

    def __call__(self, path: Path) -> None:
        self.count += 1
        path.write_bytes(b"copy of " + self._model.read_bytes())
        path.with_name(path.name + ".weights").write_bytes(b"weights")


def of(folder: Path, model: Path, write: Callable[[Path], None], recipe: str = RECIPE) -> Path | None:
    return Copies(folder, min_bytes=10).of(model, recipe, write)


def test_copy_is_made_once(folder: Path, model: Path) -> None:
    write = Writer(model)

    first, second = of(folder, model, write), of(folder, model, write)

    assert first is not None and first == second
    assert (first.name, first.read_bytes()) == ("model.onnx", b"copy of a model of many weights")
    assert write.count == 1
    assert folder.stat().st_mode & 0o777 == 0o700


def test_small_model_gets_none(folder: Path, model: Path) -> None:
    assert Copies(folder).of(model, RECIPE, Writer(model)) is None


def test_another_recipe_gets_another_copy(folder: Path, model: Path) -> None:
    write = Writer(model)

    assert of(folder, model, write) != of(folder, model, write, "onnxruntime 2, a processor")
    assert write.count == 2


def edit(path: Path) -> None:
    path.write_bytes(b"a model of other weight")


def touch_back(path: Path) -> None:
    """Another file under the name, of the same size and time, as `cp -p` leaves it."""
    before = path.stat()
    other = path.with_name("other")
    other.write_bytes(b"a model of other weight")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [edit, touch_back])
def test_model_that_was_changed_gets_another_copy(
    folder: Path, model: Path, change: Callable[[Path], None]
) -> None:
    write = Writer(model)
    of(folder, model, write)

    change(model)
    copy = of(folder, model, write)

    assert copy is not None
    assert copy.read_bytes() == b"copy of a model of other weight"
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 1


def cut(copy: Path) -> None:
    copy.with_name(copy.name + ".weights").write_bytes(b"w")


def lose(copy: Path) -> None:
    copy.unlink()


def spoil_note(copy: Path) -> None:
    (copy.parent / NOTE).write_text("[]")


@pytest.mark.parametrize("damage", [cut, lose, spoil_note])
def test_copy_that_was_damaged_is_made_anew(
    folder: Path, model: Path, damage: Callable[[Path], None]
) -> None:
    write = Writer(model)
    copy = of(folder, model, write)
    assert copy is not None

    damage(copy)

    assert of(folder, model, write) == copy
    assert write.count == 2


def test_weights_in_a_second_file_count(folder: Path, model: Path) -> None:
    weights, write = model.with_name("data"), Writer(model)
    weights.write_bytes(b"weights " * 10)
    model.write_bytes(b"\x0a\x08location\x12\x04data")
    of(folder, model, write)

    weights.write_bytes(b"others, " * 10)
    of(folder, model, write)

    assert write.count == 2


def fail(path: Path) -> None:
    path.write_bytes(b"half")
    raise OSError("No space left on device")


def test_copy_that_cannot_be_made_leaves_nothing(
    folder: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert of(folder, model, fail) is None

    assert f"the weights of {model} are not shared: No space left on device" in caplog.text
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_full_disk_is_not_filled_further(
    folder: Path, model: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = Writer(model)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1024 * 1024 * 1024))

    assert of(folder, model, write) is None

    assert write.count == 0
    assert "has 1024 MiB left" in caplog.text


def test_folder_that_others_can_write_is_not_used(
    folder: Path, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o777)

    assert of(folder, model, Writer(model)) is None
    assert "is not of this user alone" in caplog.text


def test_folder_that_cannot_be_made_is_told_of(model: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert of(Path("/proc/nowhere"), model, Writer(model)) is None
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_who_comes_second_waits_for_the_copy(folder: Path, model: Path) -> None:
    write, found = Writer(model), []
    folder.mkdir(parents=True, mode=0o700)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    threads = [threading.Thread(target=lambda: found.append(of(folder, model, write))) for _ in range(3)]
    for thread in threads:
        thread.start()

    os.close(lock)
    for thread in threads:
        thread.join(30)

    assert len(found) == 3 and len(set(found)) == 1
    assert write.count == 1


def test_unused_copies_are_forgotten(folder: Path, tmp_path: Path) -> None:
    models = [tmp_path / f"{name}.onnx" for name in ("gone", "unused", "used", "new")]
    for path in models:
        path.write_bytes(b"a model of many weights")
        of(folder, path, Writer(path))
    kept = {path.name: next(folder.glob(f"{path.stem}-*")) for path in models}
    half_made = folder / "making-1"
    half_made.mkdir()
    models[0].unlink()
    now_s = time.time()
    os.utime(kept["unused.onnx"] / NOTE, (now_s - KEPT_S - 1,) * 2)
    os.utime(half_made, (now_s - MAKING_S - 1,) * 2)
    (folder / "making-2").mkdir()

    shutil.rmtree(kept["new.onnx"])
    of(folder, models[3], Writer(models[3]))

    names = {path.name.rpartition("-")[0] for path in folder.iterdir() if path.is_dir()}
    assert names == {"used", "new", "making"}
    assert not half_made.exists()
