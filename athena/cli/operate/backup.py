"""`athena backup` and `athena restore`: copies of the embedded Redis' data."""

import argparse
import os
from pathlib import Path

from athena.errors import ConfigError
from athena.settings import Settings, from_env
from athena.supervisor.backup import back_up, restore


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the commands."""
    saving = commands.add_parser(
        "backup",
        help="copy the embedded Redis' data into a file, while it runs",
        description="Writes all jobs, results and keys of the embedded Redis into one file (docs/backup.md).",
    )
    saving.add_argument("file", metavar="FILE", type=Path, help="the archive, .tar.gz")
    saving.set_defaults(run=run_backup)
    putting = commands.add_parser(
        "restore",
        help="put such a copy into a data folder that holds none",
        description="Puts what `athena backup` wrote into a data folder, before athena serve starts there.",
    )
    putting.add_argument("file", metavar="FILE", type=Path, help="the archive")
    putting.set_defaults(run=run_restore)
    for parser in (saving, putting):
        parser.add_argument("--data", metavar="DIR", help="data folder (default ./.athena)")


def run_backup(options: argparse.Namespace) -> int:
    """Writes a backup."""
    size = back_up(_settings(options).data_dir, options.file)
    print(f"{options.file}: {size} bytes")
    return 0


def run_restore(options: argparse.Namespace) -> int:
    """Puts a backup back."""
    folder = _settings(options).data_dir
    restore(options.file, folder)
    print(f"restored to {folder}; athena serve --data {folder} goes on with it")
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    settings = from_env(os.environ, data_dir=options.data)
    if settings.redis_url and not options.data:
        raise ConfigError(
            "ATHENA_REDIS_URL names a Redis that is not the embedded one: back it up by its own means "
            "(docs/backup.md), or name a data folder with --data"
        )
    return settings
