"""Log records of this process: where they go, in which form."""

import contextlib
import logging
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from athena.telemetry.log_fields import LogFields
from athena.telemetry.log_files import LogFile
from athena.telemetry.log_folder import drop_left
from athena.telemetry.log_lines import JsonFormatter, TextFormatter
from athena.telemetry.log_repeats import RepeatFilter
from athena.telemetry.log_streams import STDERR, log_stream

logger = logging.getLogger(__name__)

TEXT, JSON = "text", "json"

#: As a folder: no files.
OFF = "off"

#: Our packages, and those that a worker is made of.
OWN = ("athena", "workers", "celery", "kombu")

#: They tell at DEBUG what nobody who looks for a fault wants to know: source code that is generated, bytes.
TALKATIVE = ("celery.utils.functional", "celery.bootsteps", "asyncio", "urllib3", "PIL")


@dataclass(frozen=True)
class LogOptions:
    """How a process logs.

    Attributes:
        form: of what is written on standard error: `text` for people, `json` for programs.
        folder: where a file of JSON lines is written as well; "" or `OFF` for nowhere.
        fields: what each line says of its process.
    """

    form: str = TEXT
    folder: str = ""
    fields: LogFields = field(default_factory=LogFields)

    def formatter(self) -> logging.Formatter:
        """Returns what makes lines of records."""
        return JsonFormatter(self.fields) if self.form == JSON else TextFormatter(self.fields)

    @property
    def has_file(self) -> bool:
        """Whether a file is wanted."""
        return self.folder not in ("", OFF)

    def folder_fault(self) -> str:
        """Makes the folder where it is not there; returns why no file can be written in it, "" if one can."""
        if not self.has_file:
            return ""
        try:
            # Closed to others: prints of wrappers may hold inputs.
            Path(self.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            return f"{self.folder}: {error.strerror}"
        return "" if os.access(self.folder, os.W_OK | os.X_OK) else f"{self.folder}: it may not be written to"


def configure_logs(level: str, options: LogOptions | None = None) -> None:
    """Sends all log records of this process to standard error, and to its file if it has one."""
    root = logging.getLogger()
    root.handlers[:] = _handlers(sys.stderr, options or LogOptions())
    root.setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    fault = options.folder_fault() if options is not None else ""
    if fault:
        logger.warning("no log file is written: %s; ATHENA_LOG_DIR names the folder", fault)


def keep_own_logs(options: LogOptions) -> None:
    """Gives our records a way of their own, whatever a wrapper does to the root logger and `sys.stderr`."""
    # A descriptor of its own, because a wrapper may close or redirect the standard one.
    handlers = _handlers(log_stream(os.dup(STDERR)), options)
    for logger in own_loggers():
        logger.handlers[:] = handlers
        logger.setLevel(logging.root.level)
        logger.propagate = False


def own_loggers() -> list[logging.Logger]:
    """Returns the loggers above those of our modules, and of Celery's."""
    return [logging.getLogger(name) for name in OWN]


def log_file(options: LogOptions) -> LogFile | None:
    """Returns what writes this process' file; None without one."""
    if not options.has_file:
        return None
    folder = Path(options.folder)
    # Workers of `athena worker` have names that never come again.
    with contextlib.suppress(OSError):
        drop_left(folder)
    file = LogFile(folder, options.fields.worker or options.fields.process)
    file.setFormatter(JsonFormatter(options.fields))
    return file


def _handlers(stream: TextIO, options: LogOptions) -> list[logging.Handler]:
    shown = logging.StreamHandler(stream)
    shown.setFormatter(options.formatter())
    file = log_file(options)
    handlers: list[logging.Handler] = [shown] if file is None else [shown, file]
    for handler in handlers:
        handler.addFilter(RepeatFilter())
    return handlers
