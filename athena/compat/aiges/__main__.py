"""`python -m aiges create | run | pack`, as the original SDK had it."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from athena.cli import main as athena_main
from athena.errors import ConfigError


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="python -m aiges", description="The commands of the original SDK, carried out by athena."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="write a new ability (athena create)")
    create.add_argument("-n", "--name", default="wrapperDemo")
    create.add_argument("-p", "--path", default="./")
    run = commands.add_parser("run", help="run the wrapper once on its test data (athena run)")
    pack = commands.add_parser("pack", help="pack the wrapper (athena pack)")
    for command in (run, pack):
        command.add_argument("-l", "--location", type=Path, default=Path("./"))
    pack.add_argument("-o", "--output", type=Path, help="file or folder (default: ./pywrapper.tar.gz)")
    return parser


def find_wrapper(location: Path) -> Path:
    """Returns the folder of a project's wrapper: the project itself, or `wrapper` in it.

    Raises:
        ConfigError: neither holds a wrapper.py.
    """
    for folder in (location, location / "wrapper"):
        if (folder / "wrapper.py").is_file():
            return folder
    raise ConfigError(f"neither {location} nor {location / 'wrapper'} holds a wrapper.py; name it with -l")


def to_athena(options: argparse.Namespace) -> list[str]:
    """Returns the command line of athena that does what was asked for.

    Raises:
        ConfigError: there is no wrapper.
    """
    if options.command == "create":
        return ["create", options.name, "--path", options.path]
    folder = str(find_wrapper(options.location))
    if options.command == "run":
        return ["run", folder]
    output = options.output or Path("pywrapper.tar.gz")
    return ["pack", folder, "--out", str(output / "pywrapper.tar.gz" if output.is_dir() else output)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command; returns the exit status."""
    options = make_parser().parse_args(arguments)
    try:
        command = to_athena(options)
    except ConfigError as error:
        print(f"aiges: {error.message}", file=sys.stderr)
        return 78
    return athena_main(command)


if __name__ == "__main__":
    sys.exit(main())
