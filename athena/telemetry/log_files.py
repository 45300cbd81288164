"""Log files: one for each process, of bounded size, with a JSON object in each line."""

import logging
import os
import re
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from athena.telemetry.log_folder import claim
from athena.telemetry.log_streams import LogStream, text_stream

#: A process keeps two files: the one that it writes, and the one before.
MAX_FILE_BYTES = 16 * 1024 * 1024
SUFFIX = ".jsonl"

_UNFIT = re.compile(r"[^A-Za-z0-9._-]")


class _FileStream(LogStream):
    """A file that takes all that is written, also when its disk is full, and that others may have closed."""

    def __init__(self, path: str) -> None:
        # Inputs may be in a wrapper's prints: nobody else on the host is to read them.
        super().__init__(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600))
        claim(self.place)
        self._inode = self._found()

    @property
    def is_ours(self) -> bool:
        """Whether the descriptor still is this file's: a wrapper may close all that it finds."""
        return self._found() == self._inode

    def close(self) -> None:
        """Closes the file, and nothing that has its number by now."""
        if not self.closed:
            is_ours = self.is_ours
            super().close()
            if is_ours:
                os.close(self.place)

    def _found(self) -> tuple[int, int]:
        try:
            found = os.fstat(self.place)
        except OSError:
            return 0, 0
        return found.st_dev, found.st_ino


class LogFile(RotatingFileHandler):
    """Writes records into a file of this process' own; a disk that is full harms nothing else."""

    def __init__(self, folder: Path, process: str) -> None:
        path = folder / (_UNFIT.sub("_", process) + SUFFIX)
        super().__init__(path, maxBytes=MAX_FILE_BYTES, backupCount=1, encoding="utf-8", delay=True)

        self._written_bytes = 0

    def _open(self) -> Any:
        stream = _FileStream(self.baseFilename)
        self._written_bytes = os.fstat(stream.place).st_size
        return text_stream(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Writes a record."""
        if self.stream is not None and not self.stream.buffer.is_ours:  # type: ignore[attr-defined]
            self.stream.close()
            self.stream = None
        # Not as the base class does it, which makes each line twice, once for its length, and asks for the
        # file's size each time: a third of what a line of the access log costs.
        try:
            self._write_line(self.format(record) + self.terminator)
        except Exception:
            self.handleError(record)

    def _write_line(self, line: str) -> None:
        if self.stream is None:
            self.stream = self._open()
        # Lines of JSON are ASCII.
        if self._written_bytes + len(line) > self.maxBytes and self._written_bytes:
            self.doRollover()
            self.stream = self.stream or self._open()
        self.stream.write(line)
        self._written_bytes += len(line)

    def handleError(self, record: logging.LogRecord) -> None:
        """Does nothing: the same record is on standard error, which the operator reads."""
