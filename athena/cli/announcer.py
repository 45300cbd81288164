"""What a command that stays tells its operator, and where its log goes."""

import dataclasses
import logging
import sys
from pathlib import Path

from athena.settings import Settings
from athena.supervisor.data_folder import open_folder
from athena.telemetry.log_fields import LogFields
from athena.telemetry.logs import OFF, TEXT, LogOptions, configure_logs, log_file

LOG_FOLDER = "logs"

logger = logging.getLogger("athena.announcer")


def with_log_folder(settings: Settings) -> Settings:
    """Returns settings with a folder for log files, beside the data where none is named.

    Raises:
        ConfigError: it cannot be made, or closed to others: prints of wrappers may hold inputs.
    """
    if settings.log_dir == OFF:
        return settings
    folder = log_folder(settings)
    open_folder(folder, "supervisor.jsonl")
    return dataclasses.replace(settings, log_dir=str(folder))


def log_folder(settings: Settings) -> Path:
    """Returns the folder in which `athena serve` keeps log files."""
    return Path(settings.log_dir) if settings.log_dir else settings.data_dir / LOG_FOLDER


def open_supervisor_log(settings: Settings) -> None:
    """Sends what this supervisor says and logs to its places."""
    options = LogOptions(settings.log_format, settings.log_dir, LogFields("supervisor"))
    configure_logs("WARNING", options)
    logger.setLevel(logging.INFO)
    # As JSON, it is a record among the others.
    logger.propagate = options.form != TEXT
    if options.form == TEXT:
        logger.handlers[:] = _shown(options)


def say(text: str) -> None:
    """Tells the operator what is going on."""
    logger.info("%s", text)


def show(settings: Settings, text: str = "") -> None:
    """Shows people more than a line of the log; programs that read it do not get this."""
    if settings.log_format == TEXT:
        print(text, flush=True)


def _shown(options: LogOptions) -> list[logging.Handler]:
    shown = logging.StreamHandler(sys.stdout)
    shown.setFormatter(logging.Formatter("%(asctime)s athena: %(message)s"))
    file = log_file(options)
    return [shown] if file is None else [shown, file]
