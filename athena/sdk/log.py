"""Loggers in the form that wrappers of the older SDKs ask for."""

import logging
import os
import tempfile
from pathlib import Path

FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s"

#: The folder of log files; the environment variable ATHENA_WRAPPER_LOGS names another.
logpath = os.environ.get("ATHENA_WRAPPER_LOGS", "/log/app")

log = logging.getLogger()


def getLogger(fmt: str = FORMAT, level: int | str = logging.INFO, name: str = "wrapper") -> logging.Logger:
    """Returns a logger that writes to standard error."""
    return _logger(logging.StreamHandler(), fmt, level, name)


def getFileLogger(
    fmt: str = FORMAT, level: int | str = logging.INFO, name: str = "wrapper"
) -> logging.Logger:
    """Returns a logger that writes to `<logpath>/<name>.log`, or to a temporary folder if that cannot be."""
    return _logger(logging.FileHandler(_writable_folder() / f"{name}.log", delay=True), fmt, level, name)


def _logger(handler: logging.Handler, fmt: str, level: int | str, name: str) -> logging.Logger:
    logger = logging.getLogger(name)
    # A wrapper that asks twice would get each line twice. `type`, not `isinstance`: a FileHandler is a
    # StreamHandler too, and one logger may have both.
    for old in [item for item in logger.handlers if type(item) is type(handler)]:
        logger.removeHandler(old)
        old.close()
    handler.setFormatter(logging.Formatter(fmt))
    logger.addHandler(handler)
    logger.setLevel(level)
    # The root logger's handler would write the line once more.
    logger.propagate = False
    return logger


def _writable_folder() -> Path:
    folder = Path(logpath)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if os.access(folder, os.W_OK):
            return folder
    except OSError:
        pass
    other = Path(tempfile.gettempdir()) / "athena-wrapper-logs"
    other.mkdir(exist_ok=True)
    log.warning(
        "cannot write into %s; log files go to %s (ATHENA_WRAPPER_LOGS names a folder)", folder, other
    )
    return other
