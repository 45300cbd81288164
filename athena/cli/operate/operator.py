"""What the operators' commands share: the way to Redis, and how results are shown."""

import argparse
import dataclasses
import getpass
import os
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar
from unicodedata import combining, east_asian_width

import orjson
from redis.exceptions import RedisError, ResponseError

from athena.cli.operate.watching import add_watch, show_once_or_again
from athena.devices.host import host_name
from athena.errors import StoreError
from athena.operations.steps import Steps, run_steps
from athena.operations.trail import Act, recorded
from athena.settings import Settings, from_env
from athena.store.address import redis_address_of, redis_url_of
from athena.store.link import BlockingLink

T = TypeVar("T")

Subparsers = Any
#: What a command does; returns its exit status, None for 0.
Verb = Callable[["Desk"], int | None]

NOTHING = "-"


class Desk:
    """One command of an operator: its options, the settings, and Redis."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        settings = _settings(options)
        self._is_embedded = not settings.redis_url
        self.settings = dataclasses.replace(settings, redis_url=redis_url_of(settings))
        self._link = BlockingLink(redis_address_of(self.settings), self.settings.redis_timeout_s)

    def run(self, steps: Steps[T]) -> T:
        """Runs an operation.

        Raises:
            AthenaError: it cannot be done; the message says why.
        """
        try:
            return run_steps(steps, self._link.execute)
        except ResponseError as error:
            raise StoreError(f"Redis refuses: {error}; athena doctor says what is wrong with it") from None
        except RedisError as error:
            raise StoreError(f"Redis does not answer: {error}; {self._remedy()}") from None

    def _remedy(self) -> str:
        """Returns what to do where no Redis answers."""
        elsewhere = "; --url asks a gateway" if hasattr(self.options, "url") else ""
        if self._is_embedded:
            folder = self.settings.data_dir
            others = "--data, --redis or ATHENA_REDIS_URL name another"
            return f"is athena serve running with {folder}? {others}{elsewhere}"
        return f"check --redis or ATHENA_REDIS_URL{elsewhere}"

    def act(self, action: str, target: Iterable[str] | str, steps: Steps[T]) -> T:
        """Runs an operation that changes something; it is noted before (`athena audit`).

        Raises:
            AthenaError: it cannot be done, or not be noted.
        """
        shown = target if isinstance(target, str) else " ".join(target)
        return self.run(recorded(Act(f"{_user_name()}@{host_name()}", "", action, shown), steps))

    def close(self) -> None:
        """Ends the connection."""
        self._link.close()

    def show(self, document: Any, table: Callable[[], None]) -> None:
        """Prints JSON if that was asked for, else a table."""
        show_document(self.options, document, table)


def add_group(commands: Subparsers, name: str, text: str) -> Subparsers:
    """Adds a command that has verbs, and returns where they are added."""
    group = commands.add_parser(name, help=text, description=text)
    return group.add_subparsers(dest="verb", required=True, metavar="VERB")


def add_verb(group: Subparsers, name: str, text: str, verb: Verb) -> argparse.ArgumentParser:
    """Adds a verb, with the options that all of them have."""
    parser: argparse.ArgumentParser = group.add_parser(name, help=text, description=text)
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--redis", metavar="URL", help="default: ATHENA_REDIS_URL, else the embedded one")
    parser.add_argument("--data", metavar="DIR", help="data folder of the embedded Redis (default ./.athena)")
    if name == "ls":
        add_watch(parser)
    parser.set_defaults(run=lambda options: _run(verb, options))
    return parser


def show_document(options: argparse.Namespace, document: Any, table: Callable[[], None]) -> None:
    """Prints JSON if that was asked for, else a table."""
    if options.json:
        print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
    else:
        table()


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Prints columns as wide as what is in them; nothing but a line for an empty table."""
    texts = [[NOTHING if cell in (None, "") else str(cell) for cell in row] for row in rows]
    if not texts:
        print("none")
        return
    widths = [max(_width(row[index]) for row in (list(heads), *texts)) for index in range(len(heads))]
    for row in (heads, *texts):
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """Returns how many columns of a terminal a text takes: Chinese characters take two."""
    if text.isascii():
        return len(text)
    wide = sum(east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(map(bool, map(combining, text)))


def ago(then_ms: int) -> str:
    """Returns how long ago a time was, in the largest fitting unit."""
    seconds = max(0, int(time.time() - then_ms / 1000))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _run(verb: Verb, options: argparse.Namespace) -> int:
    desk = Desk(options)
    try:
        return show_once_or_again(options, lambda: verb(desk), StoreError)
    finally:
        desk.close()


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A user of a container may have no name.
        return f"uid {os.getuid()}"


def _settings(options: argparse.Namespace) -> Settings:
    # A group may take the option too, before the verb.
    redis_url = options.redis or getattr(options, "own_redis", None)
    return from_env(os.environ, redis_url=redis_url, data_dir=options.data)
