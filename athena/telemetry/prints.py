"""What a wrapper prints, as part of the log: each line says which worker and which job it is of.

Lines of native libraries do not pass here: they write to the descriptor themselves. ONNX Runtime hands
its own to the log (`workers/runtime/sessions/lines.py`).
"""

import logging
import sys
import threading

from athena.telemetry.log_fields import FIELDS
from athena.telemetry.log_files import LogFile
from athena.telemetry.log_lines import MAX_CHARS, TextFormatter
from athena.telemetry.log_streams import STDERR, STDOUT, LogStream, text_stream
from athena.telemetry.logs import JSON, LogOptions, log_file

LOGGER = "wrapper"


class PrintStream(LogStream):
    """Standard output or error; text goes out as it comes, with a head before each line.

    In the form of JSON, and in the log's file, only whole lines are written; what has no end yet is written
    when the call ends.
    """

    def __init__(self, descriptor: int, name: str, options: LogOptions, file: LogFile | None) -> None:
        super().__init__(descriptor)
        self._name = name
        self._options = options
        self._file = file
        self._formatter = options.formatter()
        self._is_at_start = True
        self._unended: dict[int, bytes] = {}

    def renewed(self) -> "PrintStream":
        """Returns a new one in the place of this one, which was closed."""
        return PrintStream(self.place, self._name, self._options, self._file)

    def write(self, data: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        """Writes all of it, unless that cannot be done."""
        text = bytes(data)
        if self._options.form != JSON:
            super().write(self._with_heads(text))
        if self._options.form == JSON or self._file is not None:
            self._collect(text)
        return len(text)

    def end_line(self) -> None:
        """Ends the line that the calling thread has begun, so that the next one is of whoever writes it."""
        if self._options.form != JSON and not self._is_at_start:
            self._is_at_start = True
            super().write(b"\n")
        left = self._unended.pop(threading.get_ident(), b"")
        if left:
            self._emit(left)

    def _with_heads(self, text: bytes) -> bytes:
        if not text:
            return text
        assert isinstance(self._formatter, TextFormatter)
        head = self._formatter.head(self._record("")).encode("utf-8", "backslashreplace")
        begins, self._is_at_start = self._is_at_start, text.endswith(b"\n")
        # A progress bar comes back to the begin of its line, which stays one line.
        body = text[:-1] if self._is_at_start else text
        shown = (head if begins else b"") + body.replace(b"\n", b"\n" + head)
        return shown + b"\n" if self._is_at_start else shown

    def _collect(self, text: bytes) -> None:
        thread = threading.get_ident()
        *lines, left = (self._unended.pop(thread, b"") + text).split(b"\n")
        for line in lines:
            self._emit(line)
        if len(left) > MAX_CHARS:
            self._emit(left)
        elif left:
            self._unended[thread] = left

    def _emit(self, line: bytes) -> None:
        if not line.strip():
            return
        record = self._record(line.decode("utf-8", "backslashreplace").rstrip("\r"))
        if self._options.form == JSON:
            super().write(self._formatter.format(record).encode() + b"\n")
        if self._file is not None:
            self._file.handle(record)

    def _record(self, text: str) -> logging.LogRecord:
        record = logging.LogRecord(LOGGER, logging.INFO, "", 0, text, None, None)
        setattr(record, FIELDS, {"stream": self._name})
        return record


def open_prints(options: LogOptions) -> None:
    """Makes this process' standard output and error part of its log."""
    file = log_file(options)
    for name, descriptor in (("stdout", STDOUT), ("stderr", STDERR)):
        stream = text_stream(PrintStream(descriptor, name, options, file))
        for place in (name, f"__{name}__"):
            setattr(sys, place, stream)


def end_printed_lines() -> None:
    """Ends the lines that the calling thread has begun to print."""
    for stream in (sys.stdout, sys.stderr):
        raw = getattr(stream, "buffer", None)
        if isinstance(raw, PrintStream) and not raw.closed:
            raw.end_line()
