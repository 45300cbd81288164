"""Prints what an ability declares: `python -m workers.tools.describe DIR`, started by `athena schema`.

A wrapper is imported in a process of its own; only here it can be asked. It is not initialised.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from athena.ability.manifest import load_ability
from athena.errors import ConfigError
from athena.plain_text import one_line
from athena.protocol.interface import Interface
from athena.telemetry.logs import configure_logs
from workers.runtime.loader import declared_interface, load_wrapper
from workers.runtime.places import with_place

EX_CONFIG = 78


def describe(path: Path) -> Interface:
    """Returns the interface of the ability in a folder.

    Raises:
        ConfigError: its wrapper cannot be imported, or a file is not as it must be.
    """
    ability = load_ability(path)
    try:
        return declared_interface(ability, load_wrapper(ability))
    except ConfigError:
        raise
    except BaseException as error:
        text = f"{ability.wrapper_path} cannot be loaded: {one_line(error)}"
        raise ConfigError(with_place(text, error, str(ability.path))) from error


@contextlib.contextmanager
def real_stdout() -> Iterator[int]:
    """Yields a descriptor of standard output, while all that the wrapper prints goes to standard error."""
    sys.stdout.flush()
    descriptor = os.dup(1)
    os.dup2(2, 1)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def main(arguments: Sequence[str]) -> int:
    """Prints the interface as JSON; returns the exit status."""
    configure_logs("WARNING")
    if len(arguments) != 1:
        print("usage: python -m workers.tools.describe DIR", file=sys.stderr)
        return EX_CONFIG
    with real_stdout() as descriptor:
        try:
            interface = describe(Path(arguments[0]))
        except ConfigError as error:
            sys.stdout.flush()
            print(error.message, file=sys.stderr)
            return EX_CONFIG
        with open(descriptor, "wb", closefd=False) as output:
            output.write(interface.encode() + b"\n")
    return 0


def end_process(status: int) -> None:
    """Ends the process although threads that the wrapper has started may still run."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    end_process(main(sys.argv[1:]))
