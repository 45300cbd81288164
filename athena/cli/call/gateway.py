"""Which gateway is asked, with which key; and what is said when it refuses."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from athena.cli.operate.watching import show_once_or_again
from athena.errors import AthenaError, ConfigError

if TYPE_CHECKING:
    from athena.client import Client

Subparsers = Any

#: What a command does; returns its exit status.
Verb = Callable[["Client", argparse.Namespace], int]

#: Exit status where there is no good answer.
EX_FAILED = 1

#: That of a program which SIGINT has ended.
EX_INTERRUPTED = 130


def add_verb(commands: Subparsers, name: str, text: str, verb: Verb) -> argparse.ArgumentParser:
    """Adds a command with the options that say who is asked."""
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_gateway(parser, "the gateway's address (default: ATHENA_URL, else http://127.0.0.1:30889)")
    parser.set_defaults(run=lambda options: ask(verb, options))
    return parser


def add_gateway(parser: argparse.ArgumentParser, url_text: str) -> None:
    """Adds the options that say who is asked."""
    parser.add_argument("--url", metavar="URL", help=url_text)
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        help="holds your key, or what athena keys create --json shows (default: ATHENA_KEY, ATHENA_KEY_FILE)",
    )
    parser.add_argument(
        "--sign", action="store_true", help="sign with the secret in that file; no key is sent"
    )
    parser.add_argument(
        "--ca-file", metavar="FILE", help="authorities that are trusted (default: ATHENA_CA_FILE)"
    )


def refuse_without_url(options: argparse.Namespace) -> None:
    """Refuses what is said to a gateway where none is asked.

    Raises:
        ConfigError: a key or a certificate is named.
    """
    named = {"--key-file": options.key_file, "--sign": options.sign, "--ca-file": options.ca_file}
    for option, value in named.items():
        if value:
            raise ConfigError(f"{option} is for a gateway, and Redis is asked; name the gateway with --url")


def ask(verb: Verb, options: argparse.Namespace) -> int:
    """Asks the gateway that the options name; returns the exit status.

    Raises:
        AthenaError: nobody answers, or something is not as it must be.
    """
    # Loaded here: no other command asks a gateway, and each of them would start later.
    from athena.client.errors import (
        ClientError,
        JobFailedError,
        NotDoneError,
        RefusedError,
        UnreachableError,
    )

    try:
        with _open(options) as client:
            return show_once_or_again(options, lambda: verb(client, options), UnreachableError)
    except (JobFailedError, RefusedError, NotDoneError) as error:
        _complain(error)
        return EX_FAILED
    except ClientError:
        raise
    except KeyboardInterrupt:
        name = getattr(options, "request_id", "")
        print(
            f"athena: the job goes on; athena jobs output {name} waits for it" if name else "",
            file=sys.stderr,
        )
        return EX_INTERRUPTED
    except (OSError, ValueError) as error:
        raise ConfigError(_told(error)) from None


def _open(options: argparse.Namespace) -> "Client":
    from athena.client import Client
    from athena.client.credentials import read_credentials
    from athena.client.surroundings import credentials_of

    file: Path | None = options.key_file
    given = read_credentials(file, options.sign) if file else credentials_of(None, os.environ, options.sign)
    return Client(options.url, given, ca_file=options.ca_file)


def _complain(error: AthenaError) -> None:
    print(f"athena: {error}", file=sys.stderr)
    for problem in error.problems[1:]:
        print(f"  {problem.pointer or '/'} {problem.detail}", file=sys.stderr)


def _told(error: OSError | ValueError) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"cannot use {error.filename}: {error.strerror}"
    return str(error)
