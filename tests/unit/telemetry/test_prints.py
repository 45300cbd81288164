"""What a wrapper prints: each line says whose it is."""

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import pytest

from athena.telemetry.log_fields import LogFields
from athena.telemetry.log_history import LogHistory, LogQuery
from athena.telemetry.log_lines import MAX_CHARS
from athena.telemetry.log_streams import text_stream
from athena.telemetry.logs import JSON, TEXT, LogOptions, log_file
from athena.telemetry.prints import PrintStream

HEAD = r"[\d-]+ [\d:,]+ INFO +\d+ w@h job j1 stdout: "


@dataclass
class Job:
    job_id: str = "j1"
    attempt: int = 1


@dataclass
class Console:
    """A standard output that a file takes, and the log's folder."""

    path: Path
    folder: str
    form: str = TEXT
    jobs: list[Job] = field(default_factory=lambda: [Job()])

    def __post_init__(self) -> None:
        self.descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        options = LogOptions(self.form, self.folder, LogFields("worker", "a", "w@h", lambda: self.jobs))
        self.file = log_file(options)
        self.raw = PrintStream(self.descriptor, "stdout", options, self.file)
        self.stream: TextIO = text_stream(self.raw)

    def close(self) -> None:
        os.close(self.descriptor)
        if self.file is not None:
            self.file.close()

    @property
    def shown(self) -> str:
        return self.path.read_text()

    def kept(self) -> list[dict[str, Any]]:
        with closing(LogHistory(Path(self.folder))) as history:
            return list(history.read(LogQuery()))


@pytest.fixture(params=[TEXT, JSON])
def console(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Console]:
    (tmp_path / "logs").mkdir()
    made = Console(tmp_path / "out", str(tmp_path / "logs"), request.param)
    yield made
    made.close()


@pytest.fixture
def people(tmp_path: Path) -> Iterator[Console]:
    made = Console(tmp_path / "out", "")
    yield made
    made.close()


def test_each_line_has_a_head(people: Console) -> None:
    print("one\ntwo", file=people.stream)
    print("three", file=people.stream)

    assert re.fullmatch(f"{HEAD}one\n{HEAD}two\n{HEAD}three\n", people.shown)


def test_what_has_no_end_is_out_at_once_and_goes_on(people: Console) -> None:
    people.stream.write("50 %")
    assert re.fullmatch(f"{HEAD}50 %", people.shown)

    people.stream.write("\r100 %\n")
    assert re.fullmatch(f"{HEAD}50 %\r100 %\n", people.path.read_bytes().decode())


def test_line_of_a_call_that_ended_is_ended(people: Console) -> None:
    people.stream.write("no end")
    people.raw.end_line()
    people.jobs[:] = [Job("j2")]
    print("next", file=people.stream)

    first, second = people.shown.splitlines()
    assert first.endswith("job j1 stdout: no end")
    assert second.endswith("job j2 stdout: next")


def test_file_has_whole_lines_with_job_and_stream(console: Console) -> None:
    print("one\n\ntwo", file=console.stream)
    console.stream.write("no end")

    assert [line["msg"] for line in console.kept()] == ["one", "two"]

    console.raw.end_line()
    last = console.kept()[-1]
    assert (last["msg"], last["job_id"], last["stream"], last["worker"]) == ("no end", "j1", "stdout", "w@h")


def test_json_form_shows_records_alone(tmp_path: Path) -> None:
    made = Console(tmp_path / "out", "", JSON)
    print("one\ntwo", file=made.stream)

    assert [json.loads(line)["msg"] for line in made.shown.splitlines()] == ["one", "two"]
    made.close()


def test_threads_do_not_share_a_line_that_has_no_end(console: Console) -> None:
    console.stream.write("mine ")
    thread = threading.Thread(target=lambda: console.stream.write("theirs\n"))
    thread.start()
    thread.join()
    console.stream.write("too\n")

    assert sorted(line["msg"] for line in console.kept()) == ["mine too", "theirs"]


def test_bytes_that_are_no_text_and_endless_lines_are_kept_bounded(console: Console) -> None:
    console.raw.write(b"\xff\xfe no text\n")
    console.raw.write(b"x" * (3 * MAX_CHARS))
    console.raw.write(b"\n")

    assert console.kept()[0]["msg"] == "\\xff\\xfe no text"
    assert all(len(line["msg"]) < MAX_CHARS + 100 for line in console.kept())


def test_a_new_one_in_its_place_writes_as_it_did(people: Console) -> None:
    stream = text_stream(people.raw.renewed())
    people.stream.close()
    print("again", file=stream)

    assert re.fullmatch(f"{HEAD}again\n", people.shown)
