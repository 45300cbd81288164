"""Records as lines: who wrote them, and of which jobs."""

import json
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from athena.telemetry.log_fields import MAX_JOBS, LogFields, about, shown_ids
from athena.telemetry.log_lines import MAX_CHARS, JsonFormatter, TextFormatter


@dataclass
class Job:
    job_id: str
    attempt: int = 1


def fields(*jobs: Job) -> LogFields:
    return LogFields("worker", "echo", "echo.cpu.0@host", lambda: jobs)


def record(
    message: str, *args: Any, extra: Any = None, error: BaseException | None = None
) -> logging.LogRecord:
    info: Any = (type(error), error, error.__traceback__) if error is not None else None
    made = logging.LogRecord("place", logging.WARNING, __file__, 1, message, args, info)
    for name, value in (extra or {}).items():
        setattr(made, name, value)
    return made


def as_json(made: logging.LogRecord, *jobs: Job) -> dict[str, Any]:
    line = JsonFormatter(fields(*jobs)).format(made)
    assert "\n" not in line
    document: dict[str, Any] = json.loads(line)
    return document


def test_text_names_time_level_process_worker_job_and_place() -> None:
    line = TextFormatter(fields(Job("j1", 2))).format(record("said %s", "this"))

    assert re.fullmatch(
        r"[\d-]{10} [\d:]{8},\d{3} WARNING \d+ echo\.cpu\.0@host job j1 \(run 2\) place: said this",
        line,
    )


def test_process_without_a_worker_is_named_by_what_it_does() -> None:
    assert " gateway place: " in TextFormatter(LogFields("gateway")).format(record("x"))


def test_json_has_all_of_it_as_members() -> None:
    line = as_json(record("said %s", "this"), Job("j1", 2))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", line.pop("ts"))
    assert line.pop("pid") > 0
    assert line == {
        "level": "warning",
        "msg": "said this",
        "logger": "place",
        "process": "worker",
        "ability": "echo",
        "worker": "echo.cpu.0@host",
        "job_id": "j1",
        "attempt": 2,
    }


def test_batch_is_named_by_all_its_jobs() -> None:
    jobs = [Job(f"j{number}") for number in range(MAX_JOBS + 5)]

    assert as_json(record("x"), *jobs)["job_ids"] == [job.job_id for job in jobs]
    text = TextFormatter(fields(*jobs)).format(record("x"))
    assert f"{jobs[MAX_JOBS - 1].job_id} and 5 more place: x" in text
    assert jobs[MAX_JOBS].job_id not in text


def test_job_from_no_queue_has_no_attempt() -> None:
    assert "attempt" not in as_json(record("x"), Job("j1", 0))


def test_what_a_record_is_about_wins_over_its_thread() -> None:
    line = as_json(record("x", extra=about(job_id="other")), Job("mine"))

    assert line["job_id"] == "other"


def test_traceback_is_a_member_of_its_own() -> None:
    try:
        raise ValueError("mine\nand mine")
    except ValueError as error:
        line = as_json(record("failed", error=error))

    assert line["msg"] == "failed"
    assert line["stack"].startswith("Traceback") and line["stack"].endswith("ValueError: mine\nand mine")


@pytest.mark.parametrize(
    "text", ["a\x1b[2J", "half \ud83d", "\u202e turned", 'quote " and \\', "x" * 1_000_000]
)
def test_json_is_one_bounded_line_whatever_is_said(text: str) -> None:
    line = JsonFormatter(fields(Job(text))).format(record("%s", text))

    assert "\n" not in line and "\x1b" not in line
    assert len(line) < 2 * MAX_CHARS + len(text) * 2
    assert len(json.loads(line)["msg"]) < MAX_CHARS + 100


class Untold:
    def __str__(self) -> str:
        raise SystemExit(3)


def test_json_of_what_cannot_be_shown_says_so() -> None:
    assert as_json(record("%s", Untold()))["msg"] == "this record cannot be shown (SystemExit)"


@pytest.mark.parametrize(("ids", "shown"), [((), ""), (("a",), "a"), (("a", "b"), "a, b")])
def test_shown_ids(ids: Sequence[str], shown: str) -> None:
    assert shown_ids(ids) == shown
