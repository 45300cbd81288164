"""Edited files are told of: the real program that watches, in a process of its own."""

import json
import queue
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from athena.supervisor.programs import EDITS

Watch = Callable[..., "Watched"]


class Watched:
    """Some folders, and what is told of them."""

    def __init__(self, *folders: Path) -> None:
        command = [*EDITS, *map(str, folders)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self.told() == set()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def told(self) -> set[str]:
        """Returns the names of the next files."""
        return {Path(text).name for text in json.loads(self._lines.get(timeout=30))}

    def await_told(self, *names: str) -> None:
        """Waits until all of the files were told of, and no other."""
        left = set(names)
        while left:
            told = self.told()
            assert told <= set(names), told
            left -= told

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    started: list[Watched] = []

    def start(*folders: Path) -> Watched:
        started.append(Watched(*folders))
        return started[-1]

    yield start
    for watched in started:
        watched.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "ability"
    (folder / "parts").mkdir(parents=True)
    (folder / "wrapper.py").write_text("a")
    (folder / "parts" / "model.py").write_text("a")
    return folder


def test_edits_of_several_folders_are_told_of(watch: Watch, folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    watched = watch(folder, other)

    (folder / "wrapper.py").write_text("b")
    watched.await_told("wrapper.py")
    (folder / "parts" / "model.py").write_text("b")
    (other / "ability.toml").write_text("b")
    watched.await_told("model.py", "ability.toml")
    (folder / "wrapper.py").unlink()
    watched.await_told("wrapper.py")


def test_editor_that_writes_another_file_and_renames_it_is_heard(watch: Watch, folder: Path) -> None:
    watched = watch(folder)

    (folder / "4913").write_text("b")
    (folder / "4913").rename(folder / "wrapper.py")

    watched.await_told("wrapper.py")


def test_what_a_wrapper_writes_and_what_did_not_change_is_not_told_of(watch: Watch, folder: Path) -> None:
    watched = watch(folder)

    for name in ("answer.jpg", "run.log", "wrapper.pyc", ".wrapper.py.swp", "cache.db"):
        (folder / name).write_text("b")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "made.py").write_text("b")
    (folder / ".venv" / "lib").mkdir(parents=True)
    (folder / ".venv" / "lib" / "package.py").write_text("b")
    (folder / "wrapper.py").touch()
    (folder / "parts" / "model.py").write_text("a")
    (folder / "last.toml").write_text("b")

    watched.await_told("last.toml")


def test_folder_that_is_made_anew_is_watched_again(watch: Watch, folder: Path) -> None:
    watched = watch(folder)

    shutil.rmtree(folder)
    watched.await_told("wrapper.py", "model.py")
    folder.mkdir()
    (folder / "wrapper.py").write_text("b")
    watched.await_told("wrapper.py")
    (folder / "wrapper.py").write_text("c")
    watched.await_told("wrapper.py")


def test_folder_that_is_made_anew_at_once_is_watched_again(watch: Watch, folder: Path) -> None:
    watched = watch(folder)

    # It looks when all is over, and many file systems gave the new folder the number of the old one.
    watched.process.send_signal(signal.SIGSTOP)
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / "wrapper.py").write_text("b")
    watched.process.send_signal(signal.SIGCONT)
    watched.await_told("wrapper.py", "model.py")
    (folder / "wrapper.py").write_text("c")
    watched.await_told("wrapper.py")


def test_file_of_a_folder_that_is_new_is_told_of(watch: Watch, folder: Path) -> None:
    watched = watch(folder)

    # It hears of the folder when the file is there already.
    watched.process.send_signal(signal.SIGSTOP)
    (folder / "new" / "deep").mkdir(parents=True)
    (folder / "new" / "deep" / "layers.py").write_text("b")
    watched.process.send_signal(signal.SIGCONT)
    watched.await_told("layers.py")


def test_files_of_a_folder_that_is_moved_are_told_of(watch: Watch, folder: Path, tmp_path: Path) -> None:
    watched = watch(folder)

    (folder / "parts").rename(tmp_path / "parts")
    watched.await_told("model.py")
    (tmp_path / "parts").rename(folder / "other")
    watched.await_told("model.py")


@pytest.mark.parametrize("name", ["env", "site-packages", "node_modules"])
def test_ability_may_lie_in_a_folder_of_any_name(
    watch: Watch, folder: Path, tmp_path: Path, name: str
) -> None:
    moved = folder.rename(tmp_path / name)
    watched = watch(moved)

    (moved / "wrapper.py").write_text("b")

    watched.await_told("wrapper.py")


def test_watch_ends_when_nobody_reads(watch: Watch, folder: Path) -> None:
    process = subprocess.Popen([*EDITS, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"[]\n"
    process.stdout.close()

    (folder / "wrapper.py").write_text("b")

    assert (process.wait(30), process.stderr.read()) == (0, b"")
    process.stderr.close()
