"""Log lines of all processes: one format, on standard error."""

import logging
import os
import sys
from typing import Any, TextIO

from athena.plain_text import class_name, one_line, plain_lines
from athena.telemetry.log_streams import STDERR, log_stream

FORMAT = "%(asctime)s %(levelname)-7s %(process)d %(name)s: %(message)s"

#: Our packages, and those that a worker is made of.
OWN = ("athena", "workers", "celery", "kombu")

#: A record's text, its traceback included, is cut in the middle when it is longer.
MAX_CHARS = 20_000


class LogFormatter(logging.Formatter):
    """Writes records without control characters and of bounded length, whatever a wrapper's objects do."""

    def format(self, record: logging.LogRecord) -> str:
        """Returns a record as text; what follows its first line is indented, and looks like no record."""
        try:
            text = super().format(record)
        # What a wrapper's objects raise when they are shown may be anything, `SystemExit` too.
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
    root = logging.getLogger()
    root.handlers[:] = [_handler(sys.stderr)]
    root.setLevel(level)


def keep_own_logs() -> None:
    """Gives our records a way of their own, whatever a wrapper does to the root logger and `sys.stderr`."""
    # A descriptor of its own, because a wrapper may close or redirect the standard one.
    handler = _handler(log_stream(os.dup(STDERR)))
    for logger in own_loggers():
        logger.handlers[:] = [handler]
        logger.setLevel(logging.root.level)
        logger.propagate = False


def own_loggers() -> list[logging.Logger]:
    """Returns the loggers above those of our modules, and of Celery's."""
    return [logging.getLogger(name) for name in OWN]


def _handler(stream: TextIO) -> logging.Handler:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(LogFormatter(FORMAT))
    return handler
