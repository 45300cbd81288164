"""`athena completion`: a script with which a shell completes commands and options."""

import argparse
from collections.abc import Callable

SHELLS = ("bash", "zsh", "tcsh")

#: Returns the parser of all commands.
ParserMaker = Callable[[], argparse.ArgumentParser]


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", make_parser: ParserMaker
) -> None:
    """Adds the command."""
    parser = commands.add_parser(
        "completion",
        help="print a script with which a shell completes commands",
        description='Prints a script for a shell: eval "$(athena completion bash)" in ~/.bashrc.',
    )
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="which one")
    parser.set_defaults(run=lambda options: run(options.shell, make_parser()))


def run(shell: str, parser: argparse.ArgumentParser) -> int:
    """Prints the script."""
    # Loaded here: no other command needs it.
    import shtab

    print(shtab.complete(parser, shell))
    return 0
