"""Log lines of all processes: one format, on standard error."""

import logging
import sys
from typing import Any

from athena.plain_text import class_name, one_line, plain_lines

FORMAT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"

#: A record's text, its traceback included, is cut in the middle when it is longer.
MAX_CHARS = 20_000


class LogFormatter(logging.Formatter):
    """Writes records without control characters and of bounded length, whatever a wrapper's objects do."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns a record as text; what follows its first line is indented, and looks like no record."""
        try:
            text = super().format(record)
        except BaseException as error:
            text = f"{record.levelname} {record.name}: this record cannot be shown ({class_name(error)})"
        return plain_lines(text, MAX_CHARS).replace("\n", "\n  ")

    def formatException(self, ei: Any) -> str:
        """Returns a traceback; of an exception that cannot be looked at, one line."""
        try:
            return super().formatException(ei)
        except BaseException:
            return one_line(ei[1])


def configure_logs(level: str) -> None:
    """Sends all log records of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogFormatter(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
