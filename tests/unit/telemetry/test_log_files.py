"""Files of the log: what is written is read back in order, and nothing harms more than a line."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from athena.telemetry import log_files
from athena.telemetry.log_fields import LogFields, about
from athena.telemetry.log_files import LogFile
from athena.telemetry.log_folder import drop_left
from athena.telemetry.log_history import LogHistory, LogQuery, Record
from athena.telemetry.logs import LogOptions, log_file

Opener = Callable[..., LogFile]


@pytest.fixture
def opened() -> Iterator[Opener]:
    files: list[LogFile] = []

    def open_file(folder: Path, worker: str = "w@h", ability: str = "echo") -> LogFile:
        file = log_file(LogOptions(folder=str(folder), fields=LogFields("worker", ability, worker)))
        assert file is not None
        files.append(file)
        return file

    yield open_file
    for file in files:
        file.close()


@pytest.fixture
def history(tmp_path: Path) -> Iterator[LogHistory]:
    with closing(LogHistory(tmp_path)) as made:
        yield made


def write(file: LogFile, text: str, second: float = 0.0, level: int = logging.INFO, **fields: Any) -> None:
    record = logging.LogRecord("n", level, "", 0, text, None, None)
    record.created = 1_700_000_000 + second
    for name, value in about(**fields).items():
        setattr(record, name, value)
    file.handle(record)


def texts(records: Any) -> list[str]:
    return [record["msg"] for record in records]


def open_files(folder: Path) -> list[str]:
    """Returns which files of a folder this process has open to read, the removed ones too."""
    places = [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
    return [place for place in places if place.startswith(f"{folder}/")]


def everything(folder: Path) -> list[Record]:
    with closing(LogHistory(folder)) as history:
        return list(history.read(LogQuery()))


@pytest.mark.parametrize("folder", ["", "off"])
def test_without_a_folder_there_is_no_file(folder: str) -> None:
    assert log_file(LogOptions(folder=folder)) is None


def test_folder_is_made_closed_to_others(tmp_path: Path) -> None:
    options = LogOptions(folder=str(tmp_path / "new" / "logs"))

    assert options.folder_fault() == ""
    assert (tmp_path / "new" / "logs").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("folder", ["", "off"])
def test_no_folder_has_no_fault(folder: str) -> None:
    assert LogOptions(folder=folder).folder_fault() == ""


def test_file_is_closed_to_others_and_its_name_is_one(opened: Opener, tmp_path: Path) -> None:
    write(opened(tmp_path, "a/../b@h"), "x")

    (path,) = tmp_path.iterdir()
    assert path.name == "a_.._b_h.jsonl"
    assert path.stat().st_mode & 0o777 == 0o600


def test_records_of_processes_come_in_the_order_of_their_time(opened: Opener, tmp_path: Path) -> None:
    one, two = opened(tmp_path, "one"), opened(tmp_path, "two")
    for second in range(4):
        write((one, two)[second % 2], str(second), second)

    assert texts(everything(tmp_path)) == ["0", "1", "2", "3"]


def test_a_full_file_is_followed_by_another_and_one_is_kept(
    opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MAX_FILE_BYTES", 2000)
    file = opened(tmp_path)
    for second in range(100):
        write(file, f"{second:03}", second)

    kept = texts(everything(tmp_path))
    assert len(list(tmp_path.iterdir())) == 2
    assert kept == [f"{second:03}" for second in range(100 - len(kept), 100)]
    assert 10 < len(kept) < 50


def test_follower_reads_on_through_a_change_of_files(
    history: LogHistory, opened: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MAX_FILE_BYTES", 1000)
    file, seen = opened(tmp_path), []
    for second in range(50):
        write(file, str(second), second)
        seen += texts(history.read(LogQuery()))

    assert seen == [str(second) for second in range(50)]
    # The two of the process, and the one that its last line has moved out.
    assert len(open_files(tmp_path)) <= 3


def test_line_that_is_being_written_is_read_when_it_is_whole(history: LogHistory, tmp_path: Path) -> None:
    path = tmp_path / "w.jsonl"
    path.write_text('{"ts": "1", "msg": "o')
    assert texts(history.read(LogQuery())) == []

    with path.open("a") as file:
        file.write('ne"}\n')
    assert texts(history.read(LogQuery())) == ["one"]
    assert texts(history.read(LogQuery())) == []


def test_what_is_no_record_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "w.jsonl").write_text(
        'cut {\n[1]\n{"msg": "no time"}\n{"ts": 3}\n{"ts": "1", "msg": "good"}\n'
    )

    assert texts(everything(tmp_path)) == ["good"]


def test_query(opened: Opener, tmp_path: Path) -> None:
    one, two = opened(tmp_path, "echo.cpu.0@h"), opened(tmp_path, "mmocr.cpu.0@h", "mmocr")
    write(one, "a", 0, job_id="j1")
    write(one, "b", 1, logging.ERROR, job_ids=("j1", "j2"))
    write(two, "c", 2, logging.WARNING, job_id="j3")

    def found(**wanted: str) -> list[str]:
        with closing(LogHistory(tmp_path)) as history:
            return texts(history.read(LogQuery(**wanted)))

    assert found(job_id="j1") == ["a", "b"]
    assert found(job_id="j2") == ["b"]
    assert found(job_id="j") == []
    assert found(ability="mmocr") == ["c"]
    assert found(worker="echo") == ["a", "b"]
    assert found(level="warning") == ["b", "c"]
    assert found(since="2023-11-14T22:13:21") == ["b", "c"]


def test_descriptor_that_a_wrapper_closed_is_not_written_to(opened: Opener, tmp_path: Path) -> None:
    file = opened(tmp_path / "logs")
    (tmp_path / "logs").mkdir()
    write(file, "before")
    assert file.stream is not None
    number = file.stream.fileno()
    os.close(number)
    foreign = os.open(tmp_path / "foreign", os.O_WRONLY | os.O_CREAT)
    assert foreign == number

    write(file, "after")

    os.write(number, b"still open")
    os.close(number)
    assert (tmp_path / "foreign").read_text() == "still open"
    assert texts(everything(tmp_path / "logs")) == ["before", "after"]


def test_disk_that_is_full_harms_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    file = LogFile(Path("/dev"), "full")
    file.baseFilename = "/dev/full"
    write(file, "lost")
    file.close()

    assert capsys.readouterr() == ("", "")


def test_files_of_processes_that_are_gone_are_bounded(opened: Opener, tmp_path: Path) -> None:
    for number in range(6):
        file = opened(tmp_path, f"echo.cpu.0.{number}@h")
        file.handle(logging.makeLogRecord({"msg": "hi"}))
        file.close()
        path = Path(file.baseFilename)
        os.utime(path, (number, number))
        path.with_suffix(".jsonl.1").write_text("")
    (tmp_path / "lost.jsonl.1").write_text("")
    living = opened(tmp_path, "living@h")
    living.handle(logging.makeLogRecord({"msg": "hi"}))
    os.utime(living.baseFilename, (0, 0))
    (tmp_path / "notes.txt").write_text("mine")

    drop_left(tmp_path, 2)

    kept = [f"echo.cpu.0.{number}_h.jsonl{end}" for number in (4, 5) for end in ("", ".1")]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*kept, "living_h.jsonl", "notes.txt"])
    living.close()
    drop_left(tmp_path, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_process_that_opens_its_file_drops_what_others_have_left(tmp_path: Path, opened: Opener) -> None:
    for number in range(70):
        (tmp_path / f"w.{number}_h.jsonl").write_text("")

    opened(tmp_path).handle(logging.makeLogRecord({"msg": "hi"}))

    assert len(list(tmp_path.iterdir())) == 64 + 1
