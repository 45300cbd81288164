"""Log lines: whatever a record holds, it is written, and reads as what it is."""

import logging
import sys
from typing import Any

from athena.telemetry.log_fields import LogFields
from athena.telemetry.log_lines import MAX_CHARS, TextFormatter


def written(message: str, *args: Any, error: BaseException | None = None) -> str:
    """Returns what is written of a record."""
    exc_info: Any = (type(error), error, error.__traceback__) if error is not None else None
    record = logging.LogRecord("n", logging.ERROR, __file__, 1, message, args, exc_info)
    return TextFormatter(LogFields()).format(record)


class Hostile(Exception):
    def __getattribute__(self, name: str) -> Any:
        if name == "__notes__":
            raise SystemExit(3)
        return super().__getattribute__(name)


class Untold:
    def __str__(self) -> str:
        raise SystemExit(3)


def test_control_characters_are_escaped_and_lines_are_indented() -> None:
    assert written("a\x1b[2J\nERROR b \ud83d").endswith("a\\x1b[2J\n  ERROR b \\ud83d")


def test_a_record_is_bounded_with_its_traceback() -> None:
    try:
        raise ValueError("x" * 20_000_000)
    except ValueError as error:
        text = written("job failed", error=error)

    assert len(text) < MAX_CHARS + 100
    assert "job failed" in text
    assert "Traceback" in text
    assert "raise ValueError" in text


def test_what_cannot_be_shown_is_named() -> None:
    assert "Hostile" in written("job failed", error=Hostile("mine"))
    assert written("%s", Untold()).endswith(" n: this record cannot be shown (SystemExit)")
    assert written("%d", "three").endswith(" n: this record cannot be shown (TypeError)")
    assert sys.exc_info() == (None, None, None)
