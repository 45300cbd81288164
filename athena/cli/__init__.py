"""The command `athena`."""

import argparse
import sys
from collections.abc import Sequence

from athena import __version__, probe
from athena.cli import completion, parts, serve
from athena.cli.author import check, create, example, export, install, pack, run, schema
from athena.cli.call import call
from athena.cli.command_line import CommandParser
from athena.cli.observe import config, doctor, top
from athena.cli.operate import (
    abilities,
    backup,
    credentials,
    dead,
    jobs,
    logs,
    plan,
    queues,
    quotas,
    trail,
    workers,
)
from athena.cli.ship import bundle
from athena.errors import AthenaError
from athena.telemetry.log_streams import open_log_streams

#: Exit status for a setting, file or machine that is not as it must be (sysexits.h).
EX_CONFIG = 78

#: As shells say of a program that SIGINT has ended.
EX_INTERRUPTED = 130


MODULES = (
    serve,
    create,
    check,
    run,
    schema,
    install,
    pack,
    export,
    bundle,
    plan,
    example,
    call,
    jobs,
    dead,
    queues,
    workers,
    abilities,
    credentials,
    quotas,
    trail,
    doctor,
    probe,
    config,
    top,
    logs,
    backup,
    parts,
)


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser: argparse.ArgumentParser = CommandParser(
        prog="athena", description="Hosts a wrapper.py as an HTTP API with a durable queue behind it."
    )
    parser.add_argument("--version", action="version", version=f"athena {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in MODULES:
        module.add_commands(commands)
    completion.add_commands(commands, make_parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    open_log_streams()
    parser = make_parser()
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments:
        # Who types the name alone asks what there is.
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
        return status
    except AthenaError as error:
        print(f"athena: {error.message}", file=sys.stderr)
        return EX_CONFIG
    except KeyboardInterrupt:
        # Whoever pressed it knows why; shells expect this status.
        return EX_INTERRUPTED
