"""`athena logs`: what the processes of this host have logged, of one job or of all."""

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from athena.cli.announcer import log_folder
from athena.cli.operate.operator import Subparsers
from athena.cli.operate.times import moment
from athena.errors import ConfigError
from athena.settings import from_env
from athena.telemetry.log_history import LEVELS, LogHistory, LogQuery, Record

#: How often `--follow` looks for new records.
LOOK_S = 0.5


def add_commands(commands: Subparsers) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "logs", help="show what processes of this host logged", description="Shows log files of this host."
    )
    parser.add_argument("job_id", nargs="?", default="", metavar="JOB", help="of this job only")
    parser.add_argument("--ability", default="", metavar="ID", help="of this ability only")
    parser.add_argument("--worker", default="", metavar="NAME", help="of workers whose names begin so")
    parser.add_argument("--level", default=LEVELS[0], choices=LEVELS, help="at least so grave")
    parser.add_argument("--since", default="", type=since, metavar="TIME", help="10m, 2h, 1d, or a time")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    parser.add_argument("--json", action="store_true", help="print JSON lines as they are kept")
    parser.add_argument("--data", metavar="DIR", help="data folder of `athena serve` (default ./.athena)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints records, the oldest first.

    Raises:
        ConfigError: there is no folder with log files.
    """
    folder = log_folder(from_env(os.environ, data_dir=options.data))
    if not folder.is_dir():
        raise ConfigError(f"no log files in {folder}: name a data folder with --data, or set ATHENA_LOG_DIR")
    query = LogQuery(options.job_id, options.ability, options.worker, options.level, options.since)
    try:
        for record in _records(folder, query, options.follow):
            print(json.dumps(record) if options.json else line_of(record))
    except KeyboardInterrupt:
        pass
    return 0


def since(text: str) -> str:
    """Returns a time in the form of the records', from `10m` for ten minutes ago, or an ISO time.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    # argparse asks for its default, too.
    if not text:
        return ""
    return moment(text).isoformat(timespec="milliseconds")


def line_of(record: Record) -> str:
    """Returns a record for people."""
    who = record.get("worker") or record.get("process") or "-"
    job_id = f" job {record['job_id']}" if "job_id" in record else ""
    run = f" (run {record['attempt']})" if record.get("attempt", 1) != 1 else ""
    stream = f" {record['stream']}" if "stream" in record else ""
    text = f"{record.get('msg', '')}\n{record.get('stack', '')}".rstrip("\n").replace("\n", "\n  ")
    level = str(record.get("level", "")).upper()
    return f"{record['ts']} {level:<7} {who}{job_id}{run}{stream}: {text}"


def _records(folder: Path, query: LogQuery, follow: bool) -> Iterator[Record]:
    with closing(LogHistory(folder)) as history:
        yield from history.read(query)
        while follow:
            time.sleep(LOOK_S)
            yield from history.read(query)
