"""Log records as lines: for people, or as JSON for programs. Docs: docs/logs.md."""

import json
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from athena.plain_text import class_name, one_line, plain_lines
from athena.telemetry.log_fields import FIELDS, LogFields, shown_ids

#: A record's text, its traceback included, is cut in the middle when it is longer.
MAX_CHARS = 20_000

#: The standard library's: a wrapper may hand over halves of surrogate pairs, and numbers of any kind.
_ENCODE = json.JSONEncoder(default=str).encode


class _Formatter(logging.Formatter):
    """Shows records whatever a wrapper's objects do."""

    def __init__(self, fields: LogFields) -> None:
        super().__init__()
        self._fields = fields

    def formatException(self, ei: Any) -> str:
        """Returns a traceback; of an exception that cannot be looked at, one line."""
        try:
            return super().formatException(ei)
        except BaseException:
            return one_line(ei[1])

    def fields_of(self, record: logging.LogRecord) -> Mapping[str, Any]:
        """Returns what is known of a record beside its words; what it says itself comes first."""
        # A record may be of a thread that is about a job, and name another.
        return {**self._fields.of_process(), **self._fields.of_thread(), **getattr(record, FIELDS, {})}

    @staticmethod
    def words_of(record: logging.LogRecord) -> str:
        """Returns what a record says; it never raises."""
        try:
            return record.getMessage()
        # What a wrapper's objects raise when they are shown may be anything, `SystemExit` too.
        except BaseException as error:
            return f"this record cannot be shown ({class_name(error)})"

    def traceback_of(self, record: logging.LogRecord) -> str:
        """Returns a record's traceback; "" without one."""
        parts = []
        # Kept, as by the standard library: handlers share a record, and not each may look at its exception.
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return "\n".join(parts)


class TextFormatter(_Formatter):
    """Lines for people: time, level, process id, who, of which job, and what; bounded, without controls."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns a record as text; what follows its first line is indented, and looks like no record."""
        words = self.words_of(record)
        traceback = self.traceback_of(record)
        text = f"{self.head(record)}{words}" + (f"\n{traceback}" if traceback else "")
        return plain_lines(text, MAX_CHARS).replace("\n", "\n  ")

    def head(self, record: logging.LogRecord) -> str:
        """Returns what stands before a record's words."""
        # What a record brings along is in its words.
        fields = {**self._fields.of_process(), **self._fields.of_thread()}
        who = fields.get("worker") or fields.get("process", "")
        about = _about(fields)
        marks = "".join(f"{mark} " for mark in (who, about) if mark)
        return f"{self.formatTime(record)} {record.levelname:<7} {record.process} {marks}{_place(record)}: "


class JsonFormatter(_Formatter):
    """One JSON object a line, without line breaks inside."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns a record as JSON.

        Its members are `ts` (UTC, RFC 3339, milliseconds), `level`, `msg`, `logger`, `pid`, `stack` where
        there is a traceback, those of `LogFields`, and what the record brings along.
        """
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "msg": plain_lines(self.words_of(record), MAX_CHARS),
            "logger": record.name,
            "pid": record.process,
            **self.fields_of(record),
        }
        traceback = self.traceback_of(record)
        if traceback:
            line["stack"] = plain_lines(traceback, MAX_CHARS)
        return _ENCODE(line)


def _about(fields: Mapping[str, Any]) -> str:
    if "job_id" in fields:
        attempt = fields.get("attempt", 0)
        return f"job {fields['job_id']}" + (f" (run {attempt})" if attempt and attempt > 1 else "")
    if "job_ids" in fields:
        return f"jobs {shown_ids(fields['job_ids'])}"
    return ""


def _place(record: logging.LogRecord) -> str:
    stream = getattr(record, FIELDS, {}).get("stream")
    return str(stream) if stream else record.name
